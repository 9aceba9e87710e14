package memstore

import (
	"fmt"
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
