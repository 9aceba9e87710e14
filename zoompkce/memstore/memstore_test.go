package memstore

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/storetest"
)

func TestStore(t *testing.T) {
	storetest.Run(t, func(*testing.T) storetest.Backend {
		store := New()
		return storetest.Backend{Store: store, Close: store.Close}
	})
}

func TestStoreForgetsWhatExpired(t *testing.T) {
	store := New()
	past := time.Now().Add(-time.Minute)
	for n := range 5000 {
		if _, err := store.Swap(t.Context(), fmt.Sprintf("a/%d", n), "", []byte("x"), past); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(store.records); n > 1024 {
		t.Fatalf("%d expired records are still in memory", n)
	}
}

func TestKeysAreInOrder(t *testing.T) {
	store := New()
	for n := range 100 {
		if _, err := store.Swap(t.Context(), fmt.Sprintf("a/%d", n*7919%100), "", []byte("x"), time.Time{}); err != nil {
			t.Fatal(err)
		}
	}
	if keys, next, err := store.List(t.Context(), "a/", ""); len(keys) != 100 || !slices.IsSorted(keys) || next != "" || err != nil {
		t.Errorf("got %q, %q, %v", keys, next, err)
	}
}
