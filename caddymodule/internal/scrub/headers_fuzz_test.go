package scrub

import (
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// FuzzScrub sends headers, Connection tokens and trailers at an upstream that
// folds '_' and '.' to '-' and ignores case: none of our names may reach it,
// and everything else must.
func FuzzScrub(f *testing.F) {
	f.Add("X-Zoom-Zak: evil\nX_Zoom_Zak: evil\nHost: a", "close, X-Zoom-Zak", "X-Sum: 1\nx.zoom.zak: evil")
	f.Add("x-zoom-user-email: \nAccept: */*", "keep-alive", "")
	f.Add("X-Zoom_User-Id: 1\nX-Zoom-User-Idd: 2", ",,x_zoom.obf,,", "X-Zoom-Access-Token: t")

	s := NewHeaders(promisedNames)
	f.Fuzz(func(t *testing.T, headers, connection, trailers string) {
		sent, late := headerLines(headers), headerLines(trailers)
		body := &lateTrailers{late: late, trailer: make(http.Header)}
		r := httptest.NewRequest("POST", "/", body)
		r.ContentLength = -1
		r.Header = sent.Clone()
		r.Trailer = body.trailer
		if connection != "" {
			r.Header["Connection"] = []string{connection}
			delete(sent, "Connection")
		}
		delete(sent, "Trailer")

		s.Remove(r, nil)
		if _, err := io.ReadAll(r.Body); err != nil {
			t.Fatal(err)
		}

		for _, got := range []http.Header{r.Header, r.Trailer} {
			for key := range got {
				if upstreamReads(key) {
					t.Errorf("%q reached the upstream", key)
				}
			}
		}
		for key, values := range sent {
			if got := r.Header[key]; !foldedByAnyone(key) && !slices.Equal(got, values) {
				t.Errorf("%q is %q, want %q", key, got, values)
			}
		}
		for key := range late {
			if _, ok := r.Trailer[key]; !foldedByAnyone(key) && !ok {
				t.Errorf("trailer %q is lost", key)
			}
		}
		for token := range strings.SplitSeq(strings.Join(r.Header["Connection"], ","), ",") {
			if upstreamReads(strings.Trim(token, " \t\r\n")) {
				t.Errorf("Connection still names %q", token)
			}
		}
	})
}

// upstreamReads is the oracle: what an upstream takes for one of our headers.
func upstreamReads(key string) bool {
	key = strings.ToLower(strings.NewReplacer("_", "-", ".", "-").Replace(key))
	return slices.ContainsFunc(promisedNames, func(name string) bool { return strings.ToLower(name) == key })
}

// foldedByAnyone is a more generous oracle, under which a header may be lost.
func foldedByAnyone(key string) bool {
	return upstreamReads(strings.Map(func(r rune) rune {
		if r < 0x80 && !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9') {
			return '-'
		}
		return r
	}, key))
}

func headerLines(text string) http.Header {
	h := make(http.Header)
	for line := range strings.Lines(text) {
		if key, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), ":"); ok && key != "" {
			h[key] = append(h[key], strings.TrimSpace(value))
		}
	}
	return h
}

// lateTrailers is an empty body that fills the trailers at its end, as the
// HTTP/1 server does.
type lateTrailers struct{ late, trailer http.Header }

func (b *lateTrailers) Read([]byte) (int, error) {
	maps.Copy(b.trailer, b.late)
	return 0, io.EOF
}

func (b *lateTrailers) Close() error { return nil }
