package doctor

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
)

// What is at the edge of each rule counts as random.
func TestWeakness(t *testing.T) {
	const ten = "a7Kx2QzM5f"
	for secret, want := range map[string]string{
		"":                            "has only 0 different characters",
		"aaaaaaaaaaaaaaaaaaaa":        "has only 1 different character",
		"a7Kx2QzMx7M2QKza":            "has only 8 different characters",
		"a7Kx2QzM5x7M2QKza":           "",
		"abmnxyCDMNXY12ABKL":          "", // every other time
		"abmnxyCDMNXY12ABKLL":         "is a sequence",
		"bamnxyCDMNXY12ABKLL":         "is a sequence",
		"acmnxyCDMNXY12ABKLL":         "",
		"zyxwvutsrqponmlkjihg":        "is a sequence",
		"acegikmoqsuwyACEGIKM":        "",
		"ywusqomkigecaMKIGECA":        "",
		ten + ten:                     "repeats itself",
		ten + "9" + ten:               "",
		ten + "9" + ten + "9":         "repeats itself",
		"a7Kx2QzM5-Change-Me-4":       "contains a word that secrets are made up with",
		strings.Repeat(ten, 3) + "a7": "repeats itself",
	} {
		if got := weakness([]byte(secret)); got != want {
			t.Errorf("%s: %q, want %q", secret, got, want)
		}
	}
	if got := secretFinding([]*Site{{}}); got.Status != verdictOK || !strings.Contains(got.Message, "is generated") {
		t.Errorf("without one: %+v", got)
	}
}

// What cannot be looked at is said to be skipped.
func TestRecordsThatCannotBeLookedAt(t *testing.T) {
	asked := false
	site := &Site{Survey: func(context.Context, int) (zoompkce.Survey, error) {
		asked = true
		return zoompkce.Survey{}, errors.New("a shard\nis gone")
	}}
	const skipped = "whether they open the records in the session store was not checked: "
	for status, want := range map[verdict]string{verdictFail: "it is in trouble", verdictOK: "a shard; is gone"} {
		asked = false
		got := recordFindings(t.Context(), site, finding{Status: status})
		if len(got) != 1 || got[0].Status != verdictSkipped || got[0].Message != skipped+want || asked != (status == verdictOK) {
			t.Errorf("storage %s: asked: %t, %+v", status, asked, got)
		}
	}
	site.Survey = func(context.Context, int) (zoompkce.Survey, error) {
		return zoompkce.Survey{Looked: 1, Unopened: 1, All: true, Secrets: []string{"a"}, Sealed: []string{"b", "c"}}, nil
	}
	if got := recordFindings(t.Context(), site, finding{}); len(got) != 1 || !strings.HasSuffix(got[0].Message, "; they were sealed with the secret of key id b, c, ours have a") {
		t.Errorf("got %+v", got)
	}
}

// Who protects a path alone is asked whether what lies below is meant, too.
func TestPathsBelow(t *testing.T) {
	for _, tt := range []struct {
		patterns caddyhttp.MatchPath
		path     string
		want     bool
	}{
		{caddyhttp.MatchPath{"/app", "/app/*"}, "/app", true},
		{caddyhttp.MatchPath{"/app*"}, "/app/", true},
		{caddyhttp.MatchPath{"/a*"}, "/app", true},
		{caddyhttp.MatchPath{"/b*", "/app/x/*"}, "/app", true},
		{caddyhttp.MatchPath{"/app/x", "/appx/*", "/b*"}, "/app", false},
	} {
		if got := anyBelow(tt.patterns, tt.path); got != tt.want {
			t.Errorf("%q below %s: %t", tt.patterns, tt.path, got)
		}
	}
}
