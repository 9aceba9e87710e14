package miswritten

var _ = nowhere
