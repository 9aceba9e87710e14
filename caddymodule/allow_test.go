package caddymodule

import "testing"

func TestAllowMatch(t *testing.T) {
	h := minimalHandler()
	h.Allow = &Allow{
		AccountID:   []string{"Acc1"},
		UserID:      []string{"User1"},
		Email:       []string{"Ann@Example.com", "Kate@example.com", "jörg@example.com"},
		EmailDomain: []string{"Company.com", "kompany.com"},
	}
	rules := mustResolve(t, h).allow
	tests := map[string]struct {
		account, user, email string
		want                 bool
	}{
		"an account":                  {"Acc1", "x", "", true},
		"a user":                      {"x", "User1", "", true},
		"an address in other case":    {"x", "x", "aNN@example.COM", true},
		"a domain in other case":      {"x", "x", "bob@COMPANY.com", true},
		"nobody":                      {"x", "x", "bob@example.com", false},
		"no verified address":         {"x", "x", "", false},
		"a Kelvin sign for a k":       {"x", "x", "\u212Aate@example.com", false},
		"a Kelvin sign in a domain":   {"x", "x", "bob@\u212Aompany.com", false},
		"letters that are no ASCII":   {"x", "x", "JÖRG@example.com", false},
		"the same letters":            {"x", "x", "JöRG@example.com", true},
		"ids in other case":           {"acc1", "user1", "", false},
		"a subdomain":                 {"x", "x", "bob@eu.company.com", false},
		"a domain that ends alike":    {"x", "x", "bob@mycompany.com", false},
		"GHSA-c5c4-8r6x-56w3":         {"x", "x", "attacker@evil.com@company.com", false},
		"an address without a name":   {"x", "x", "@company.com", false},
		"a domain as address":         {"x", "x", "company.com", false},
		"empty ids match no entry":    {"", "", "", false},
		"a user id as the account id": {"User1", "Acc1", "", false},
	}
	for name, test := range tests {
		if got := rules.match(test.account, test.user, test.email); got != test.want {
			t.Errorf("%s: got %v", name, got)
		}
	}
	var everybody *allowRules
	if !everybody.match("x", "x", "") {
		t.Error("without allow somebody is refused")
	}
}
