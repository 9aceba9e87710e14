package doctor

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/certmagic"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
)

// storageProbeLife is when the record of the probe is worth nothing any more.
const storageProbeLife = time.Minute

// storageFinding writes, reads, replaces and removes a record.
func storageFinding(ctx context.Context, s *Site) finding {
	f := finding{ClientID: s.Zoom.ClientID, Check: "storage", Status: verdictFail}
	name := storeName(s.Store)
	if path, owner := foreignDirectory(s.Store); owner != "" {
		f.Status = verdictSkipped
		f.Message = fmt.Sprintf("%s, not written to: %s belongs to %s, and what %s creates there %s could not change",
			name, path, owner, osUser(), owner)
		f.Advice = fmt.Sprintf("run this again as the user that Caddy runs as: sudo -u '%s' caddy zoom-pkce doctor ...", owner)
		return f
	}
	ctx, cancel := context.WithTimeout(ctx, storageProbePatience)
	defer cancel()
	began := time.Now()
	if err := exercise(ctx, s.Store, s.AppID); err != nil {
		f.Message = fmt.Sprintf("%s, as %s: %s", name, osUser(), oneLine(err.Error()))
		f.Advice = "let the user that Caddy runs as write there, or let Caddy reach the store; without it nobody can sign in"
		return f
	}
	f.Status = verdictOK
	f.Message = fmt.Sprintf("%s can be written and read by %s (%s for four calls)", name, osUser(), time.Since(began).Round(time.Millisecond))
	return f
}

// storageProbePatience is how long a store may take for the probe.
const storageProbePatience = 15 * time.Second

// exercise does with a store what sessions need of it. The record lies where
// that of a user lies, with a name that no user has, so that the sweep removes it if
// this process cannot.
func exercise(ctx context.Context, store zoompkce.Store, appID string) error {
	name := sha256.Sum256([]byte(randomText()))
	digits := hex.EncodeToString(name[:])
	key := "zoom_pkce/" + appID + "/" + digits[:2] + "/" + digits
	expires := time.Now().Add(storageProbeLife)
	value := []byte("zoom-pkce doctor")

	first, err := store.Swap(ctx, key, "", value, expires)
	if err != nil {
		return fmt.Errorf("writing a record: %w", err)
	}
	defer removeProbe(ctx, store, key)
	got, version, err := store.Load(ctx, key)
	if err != nil {
		return fmt.Errorf("reading a record back: %w", err)
	}
	if !bytes.Equal(got, value) || version != first {
		return errors.New("reading a record back gives something else")
	}
	if _, err := store.Swap(ctx, key, first, value, expires); err != nil {
		return fmt.Errorf("replacing a record: %w", err)
	}
	if _, err := store.Swap(ctx, key, first, value, expires); !errors.Is(err, zoompkce.ErrConflict) {
		return errors.New("the store replaces a record that somebody else has changed")
	}
	return nil
}

// onStorage is a session store on one of Caddy's storages.
type onStorage interface{ Storage() certmagic.Storage }

// removeProbe cleans up where records are not forgotten by themselves.
func removeProbe(ctx context.Context, store zoompkce.Store, key string) {
	if s, ok := store.(onStorage); ok {
		_ = s.Storage().Delete(ctx, key)
	}
}

// storeName names a session store, without its address, which can hold a password.
func storeName(store zoompkce.Store) string {
	if s, ok := store.(onStorage); ok {
		if files, ok := s.Storage().(*certmagic.FileStorage); ok {
			return "session store caddy in " + files.Path
		}
		return fmt.Sprintf("session store caddy on %T", s.Storage())
	}
	if module, ok := store.(caddy.Module); ok {
		return "session store " + module.CaddyModule().ID.Name()
	}
	return fmt.Sprintf("session store %T", store)
}

// foreignDirectory names the directory of a store and its owner if that is not
// who is asking, and asking would leave files behind that the owner cannot
// change: root can write everywhere.
func foreignDirectory(store zoompkce.Store) (path, owner string) {
	s, ok := store.(onStorage)
	if !ok || os.Geteuid() != 0 {
		return "", ""
	}
	files, ok := s.Storage().(*certmagic.FileStorage)
	if !ok {
		return "", ""
	}
	for path = files.Path; ; path = filepath.Dir(path) {
		info, err := os.Stat(path)
		if err == nil {
			uid, known := ownerOf(info)
			if !known || uid == os.Geteuid() {
				return "", ""
			}
			return path, userName(uid)
		}
		if path == filepath.Dir(path) {
			return "", ""
		}
	}
}

func userName(uid int) string {
	if found, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		return found.Username
	}
	return "user id " + strconv.Itoa(uid)
}
