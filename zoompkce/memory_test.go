package zoompkce_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/storetest"
)

func TestMemoryStore(t *testing.T) {
	storetest.Run(t, func(*testing.T) storetest.Backend {
		store := zoompkce.NewMemoryStore()
		return storetest.Backend{Store: store, Close: store.Close}
	})
}

func TestMemoryStoreForgetsWhatExpired(t *testing.T) {
	store := zoompkce.NewMemoryStore()
	past := time.Now().Add(-time.Minute)
	for n := range 5000 {
		if _, err := store.Swap(t.Context(), fmt.Sprintf("a/%d", n), "", []byte("x"), past); err != nil {
			t.Fatal(err)
		}
	}
	if n := zoompkce.MemoryStoreLen(store); n > 1024 {
		t.Fatalf("%d expired records are still in memory", n)
	}
}
