package backend

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/outcome"
)

// botBody is what attendee posts (attendee-labs/attendee).
func botBody(meetingURL string) string {
	return fmt.Sprintf(`{"bot_id":"bot_1","bot_metadata":null,"callback_type":"zoom_tokens","meeting_url":%q}`, meetingURL)
}

func TestBot(t *testing.T) {
	bubble(t, func(w *world) {
		address := sign(firstSecret, "bot?user_id=ada"+until(time.Hour))
		for _, tt := range []struct {
			name           string
			zakErr, obfErr error
			want           map[string]string
		}{
			{"both", nil, nil, map[string]string{"zak_token": "the-zak", "onbehalf_token": "the-obf"}},
			{"no ZAK", errTrouble, nil, map[string]string{"onbehalf_token": "the-obf"}},
			{"no OBF token", nil, errTrouble, map[string]string{"zak_token": "the-zak"}},
		} {
			w.zakErr, w.obfErr = tt.zakErr, tt.obfErr
			rec := w.send(request("POST", address, botBody("https://zoom.us/j/1234567890?pwd=x"), "Content-Type", "application/json"))
			w.wantJSON(tt.name, rec, tt.want)
			if got := fmt.Sprint(w.asked); got != "[zak of ada obf for 1234567890 of ada]" {
				t.Errorf("%s: asked for %s", tt.name, got)
			}
		}
		w.zakErr, w.obfErr = errNoGrant, errTrouble
		w.send(request("POST", address, botBody("https://zoom.us/j/1234567890")))
		if !errors.Is(w.refused, errTrouble) {
			t.Errorf("neither: %v", w.refused)
		}
	})
}

func TestMeetingURLs(t *testing.T) {
	for _, good := range []string{
		"https://zoom.us/j/123456789",
		"https://ZOOM.us/j/123456789",
		"https://us02web.zoom.us/j/123456789012?pwd=secret.1#success",
		"https://acme.zoom.us/w/123456789/",
		"https://acme.zoomgov.com/s/123456789?zak=x",
		"https://zoom.us/wc/join/123456789",
		"https://app.zoom.us/wc/123456789/join?fromPWA=1",
		"https://app.zoom.us/wc/123456789/start",
		"https://app.zoom.us/wc/123456789",
	} {
		if number, ok := meetingOf(good); !ok || !strings.HasPrefix(number, "123456789") {
			t.Errorf("%s: %q, %t", good, number, ok)
		}
	}
	bubble(t, func(w *world) {
		address := sign(firstSecret, "bot?user_id=ada"+until(time.Hour))
		for _, bad := range []string{
			"", "garbage", "123456789", "/j/123456789", "//zoom.us/j/123456789", "zoom.us/j/123456789",
			"http://zoom.us/j/123456789",
			"zoommtg://zoom.us/join?confno=123456789", "zoommtg:zoom.us/j/123456789", "javascript:alert(1)//zoom.us/j/123456789",
			"https://evil.example/j/123456789", "https://zoom.us.evil.example/j/123456789", "https://evilzoom.us/j/123456789",
			"https://zoom.us@evil.example/j/123456789", "https://evil.example/zoom.us/j/123456789", "https://zoom.us\\.evil.example/j/123456789",
			"https://ada@zoom.us/j/123456789", "https://ada:password@zoom.us/j/123456789", "https://:@zoom.us/j/123456789",
			"https://zoom.us:8443/j/123456789", "https://zoom.us./j/123456789", "https:///j/123456789", "https://.zoom.us:/j/123456789",
			"https://zoom.us/j/", "https://zoom.us/j/12345678", "https://zoom.us/j/1234567890123", "https://zoom.us/j/123456789x",
			"https://zoom.us/j/123-456-789", "https://zoom.us/j/%31%32%33456789", "https://zoom.us//j/123456789", "https://zoom.us/x/j/123456789",
			"https://zoom.us/my/ada", "https://zoom.us/?confno=123456789", "https://zoom.us#/j/123456789", "https://zoom.us/J/123456789",
			"https://zoom.us/j/123456789/../../j/987654321", " https://zoom.us/j/123456789", "https://zoom.us/j/123456789\n",
		} {
			w.send(request("POST", address, botBody(bad)))
			w.wantCode(bad, outcome.BadRequest)
			if strings.Contains(w.refused.Error(), "123456789") {
				t.Errorf("%s is in the error: %v", bad, w.refused)
			}
		}
		for _, body := range []string{
			"", "null", "[]", "garbage", `"https://zoom.us/j/123456789"`, `{}`, `{"meeting_url":123456789}`, `{"meeting_url":["https://zoom.us/j/123456789"]}`,
			`{"meeting_url":"https://zoom.us/j/123456789"`, "meeting_url=https%3A%2F%2Fzoom.us%2Fj%2F123456789",
			`{"meeting_url":"https://zoom.us/j/123456789","x":"` + strings.Repeat("x", 64<<10) + `"}`,
		} {
			w.send(request("POST", address, body))
			w.wantCode(body[:min(len(body), 60)], outcome.BadRequest)
		}
	})
}
