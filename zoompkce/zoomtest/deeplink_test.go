package zoomtest

import (
	"net/http"
	"strings"
	"testing"
)

func TestDeeplink(t *testing.T) {
	w := newWorld(t)
	tk := w.signIn(w.app)
	post := func(token, body string) (int, string) {
		r, _ := http.NewRequest(http.MethodPost, w.URL+"/v2/zoomapp/deeplink", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Bearer "+token)
		return w.send(r)
	}
	status, body := post(tk.Access, `{"action":"go"}`)
	expect(t, status, body, 200, `{"deeplink":"zoomus://zoom.test/zoomapp?action=go&client_id=confidential"}`)
	if status, _ := post(tk.Access, "action=go"); status != 400 {
		t.Errorf("not JSON: %d", status)
	}
	for _, bad := range []string{"", "null", "[]", `"go"`} {
		if status, _ := post(tk.Access, bad); status != 400 {
			t.Errorf("%s: %d", bad, status)
		}
	}
	r, _ := http.NewRequest(http.MethodPost, w.URL+"/v2/zoomapp/deeplink", strings.NewReader(`{"action":"go"}`))
	r.Header.Set("Authorization", "Bearer "+tk.Access)
	if status, _ := w.send(r); status != 400 {
		t.Errorf("not said to be JSON: %d", status)
	}
	w.Fail(CallDeeplink, 1, Deeplink("https://evil.example/?a&b"))
	status, body = post(tk.Access, `{"action":"go"}`)
	expect(t, status, body, 200, `{"deeplink":"https://evil.example/?a&b"}`)
	status, body = post("nonsense", "{}")
	expect(t, status, body, 401, invalidAccessBody)
	if status, _ := w.get(tk.Access, "/v2/zoomapp/deeplink"); status != http.StatusMethodNotAllowed {
		t.Errorf("GET: %d", status)
	}
}
