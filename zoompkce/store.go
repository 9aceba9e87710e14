package zoompkce

import (
	"context"
	"errors"
	"time"
)

var (
	// ErrNotFound is what a [Store] answers for a key that holds nothing, or
	// nothing any more. It is never the answer to trouble: a caller that is told
	// "not found" will create the record anew.
	ErrNotFound = errors.New("zoompkce: record not found")

	// ErrConflict is what [Store.Swap] answers when the record is not, or no
	// longer, at the version the caller has seen. The caller loads and tries again.
	ErrConflict = errors.New("zoompkce: record was changed by someone else")

	// ErrStoreClosed is what a [Store] answers after it was closed.
	ErrStoreClosed = errors.New("zoompkce: session store is closed")
)

// Store keeps sealed records for any number of processes. What it is given is
// encrypted and authenticated already; a Store has to keep bytes, no secrets.
//
// All methods are safe for concurrent use, by several processes too, and
// return soon after ctx is done. An error that is none of the sentinels of this
// package means that the store is in trouble; after such an error from Swap the
// record may have been changed or not.
//
// Keys are slash-separated paths of lower-case letters, digits, '_' and '-',
// none of them empty or a dot; a key is never also the prefix of another one up
// to a slash.
type Store interface {
	// Load returns the value under key and its version, which is never empty.
	// It returns ErrNotFound if there is none or it has expired, and another
	// error if it is there and cannot be read.
	Load(ctx context.Context, key string) (value []byte, version string, err error)

	// Swap stores value under key if the key is still at version old, where ""
	// stands for "holds nothing", and returns the version of what is now stored.
	// Versions are random and never come back. Otherwise it changes nothing
	// and returns ErrConflict. After expires the value counts as absent; the zero time
	// means never. The Store may keep value: it must not be modified afterwards.
	Swap(ctx context.Context, key, old string, value []byte, expires time.Time) (version string, err error)

	// List returns keys that begin with prefix, which ends in a slash, in no
	// particular order. It starts with an empty cursor; next is the cursor for more, empty
	// at the end. A key that lives through the whole listing is returned at
	// least once; expired ones may be returned.
	List(ctx context.Context, prefix, cursor string) (keys []string, next string, err error)
}

// Prover is what a [Store] may be beside, if it can tell for less than the price of
// a swap whether swaps go through just now. Every sign-in asks.
type Prover interface {
	// Prove stores value under key, which nobody else writes, whatever is there. It
	// fails where Swap or Load would, and returns [errors.ErrUnsupported] if only Swap can tell.
	Prove(ctx context.Context, key string, value []byte, expires time.Time) error
}
