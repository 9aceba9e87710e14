package e2e

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/redistest"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/testkit"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

const backendSecret = "a-backend-secret-that-no-log-may-show"

func backendOptions(more ...string) string {
	return "backend {\nsecret another-secret-of-the-app's-own-servers " + backendSecret + "\n" + strings.Join(more, "\n") + "\n}"
}

var backendBearer = []string{"Authorization", "Bearer " + backendSecret}

// signedURL is an address below /zoom_pkce/backend/ that counts for a minute.
func signedURL(address string) string {
	signed := fmt.Sprintf("/zoom_pkce/backend/%s&expires=%d", address, time.Now().Add(time.Minute).Unix())
	mac := hmac.New(sha256.New, []byte(backendSecret))
	mac.Write([]byte(signed))
	return signed + "&signature=" + hex.EncodeToString(mac.Sum(nil))
}

// ask asks as a server of the app does.
func (w *world) ask(address string) answer {
	w.t.Helper()
	b := w.browser()
	return b.do(b.request(http.MethodGet, "/zoom_pkce/backend/"+address, backendBearer...))
}

// object is what a server of the app gets.
func (a answer) object(t testing.TB) (got map[string]string) {
	t.Helper()
	if err := json.Unmarshal([]byte(a.body), &got); err != nil || a.StatusCode != http.StatusOK {
		t.Fatalf("got %d %s, want an object", a.StatusCode, a.body)
	}
	return got
}

// owner is whose the access token of an answer is.
func (w *world) owner(a answer) string {
	w.t.Helper()
	_, user, ok := w.zoom.ValidateAccessToken(a.object(w.t)["access_token"])
	if !ok {
		w.t.Fatal("Zoom does not take the token")
	}
	return user
}

func TestBackend(t *testing.T) {
	w := newWorld(t)
	// Neither the ZAK and OBF of requests nor rules for cookies matter, nor that
	// the access token has the place of the bearer.
	w.load(w.site(backendOptions(), "zak off", "cookie {\nsame_site none\n}", "headers {\naccess_token Authorization Bearer\n}",
		"allow {\nemail_domain example.com\n}"))
	before := counted(t, "backend_tokens_total{kind=zak,outcome=ok}")
	ada, bob := w.browser(), w.browser()
	ada.signIn("/", "user-ada")
	bob.signIn("/", "user-bob")

	if got := w.owner(w.ask("token?user_id=user-ada")); got != "user-ada" {
		t.Errorf("a token of %q", got)
	}
	if got := w.ask("token?user_id=user-ada").object(t); got["api_url"] != w.zoom.URL {
		t.Errorf("api_url %q", got["api_url"])
	}
	zak := w.ask("zak?user_id=user-ada").object(t)
	obf := w.ask("obf?user_id=user-ada&meeting_id=123456789").object(t)
	if zak["zak"] == "" || obf["obf_token"] == "" || len(zak) != 2 || len(obf) != 2 {
		t.Errorf("got %v and %v", zak, obf)
	}
	for _, got := range []map[string]string{zak, obf} {
		if at, err := time.Parse(time.RFC3339, got["expires_at"]); err != nil || !at.After(time.Now()) || !strings.HasSuffix(got["expires_at"], "Z") {
			t.Errorf("expires_at %q: %v", got["expires_at"], err)
		}
	}
	bare := w.browser().open(signedURL("zak?user_id=user-ada&format=text"))
	if bare.body != zak["zak"] || !strings.HasPrefix(bare.Header.Get("Content-Type"), "text/plain") || bare.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("got %d %v %s", bare.StatusCode, bare.Header, bare.body)
	}
	// Each OBF token is handed out once.
	bot := w.post(signedURL("bot?user_id=user-ada"), `{"bot_id":"b","meeting_url":"https://us02web.zoom.us/j/123456789?pwd=x"}`,
		"Content-Type", "application/json", "Sec-Fetch-Site", "cross-site").object(t)
	if bot["zak_token"] != zak["zak"] || bot["onbehalf_token"] == "" || bot["onbehalf_token"] == obf["obf_token"] {
		t.Errorf("got %v", bot)
	}

	if n := counted(t, "backend_tokens_total{kind=zak,outcome=ok}") - before; n != 3 {
		t.Errorf("%v ZAKs counted, want 3", n)
	}
	told := w.logged()
	for _, want := range []string{"handed out a token to a back end", `"kind":"token","user_id":"user-ada"`, `"kind":"obf","user_id":"user-ada"`} {
		if !strings.Contains(told, want) {
			t.Errorf("the log does not say %s", want)
		}
	}
	if strings.Contains(told, `"kind":"token","user_id":"user-bob"`) {
		t.Error("the log has a hand-out that was none")
	}
}

func TestBackendRefuses(t *testing.T) {
	w := newWorld(t)
	w.load(w.site(backendOptions(), "allow {\nemail_domain example.com\n}"))
	ada, bob := w.browser(), w.browser()
	ada.signIn("/", "user-ada")
	bob.signIn("/", "user-bob")
	good := signedURL("zak?user_id=user-ada")
	for _, tt := range []struct {
		name, method, address string
		header                []string
		code                  string
	}{
		{"the method, whatever else", "PUT", "/zoom_pkce/backend/zak?user_id=nobody&user_id=x", nil, "method_not_allowed"},
		{"HEAD", "HEAD", good, nil, "method_not_allowed"},
		{"a bot by GET", "GET", signedURL("bot?user_id=user-ada"), nil, "method_not_allowed"},
		{"nothing", "GET", "/zoom_pkce/backend/zak?user_id=user-ada", nil, "sign_in_required"},
		{"a session", "GET", "/zoom_pkce/backend/zak?user_id=user-ada", []string{"Cookie", ada.cookieLine()}, "sign_in_required"},
		{"another secret", "GET", "/zoom_pkce/backend/zak?user_id=nobody", []string{"Authorization", "Bearer " + backendSecret[1:]}, "bad_signature"},
		{"another path", "GET", strings.Replace(good, "/zak", "/token", 1), nil, "bad_signature"},
		{"another user", "GET", strings.Replace(good, "user-ada", "user-bob", 1), nil, "bad_signature"},
		{"more at the end", "GET", good + "&format=text", nil, "bad_signature"},
		{"a repeated parameter", "GET", "/zoom_pkce/backend/zak?user_id=user-ada&user_id=user-ada", backendBearer, "bad_request"},
		{"an unknown user", "GET", "/zoom_pkce/backend/token?user_id=nobody", backendBearer, "not_found"},
		{"an unknown user for a bot service", "GET", signedURL("zak?user_id=nobody&format=text"), nil, "not_found"},
		{"somebody allow keeps out", "GET", "/zoom_pkce/backend/token?user_id=user-bob", backendBearer, "not_allowed"},
		{"another endpoint", "GET", "/zoom_pkce/backend/tokens?user_id=user-ada", backendBearer, "not_found"},
	} {
		b := w.browser()
		a := b.do(b.request(tt.method, tt.address, tt.header...))
		if a.StatusCode != statusOf[tt.code] {
			t.Errorf("%s: got %d, want %s", tt.name, a.StatusCode, tt.code)
		}
		if tt.method != "HEAD" {
			if p := a.problem(t); p.Code != tt.code || p.LoginURL != "" {
				t.Errorf("%s: got %+v", tt.name, p)
			} else if told := strings.Contains(p.Detail, "this user id"); told != strings.HasPrefix(tt.name, "an unknown user") {
				t.Errorf("%s: got the detail %q", tt.name, p.Detail)
			}
		}
		if got := a.Header.Get("WWW-Authenticate") == "Bearer"; got != (tt.code == "sign_in_required") {
			t.Errorf("%s: WWW-Authenticate %q", tt.name, a.Header.Get("WWW-Authenticate"))
		}
	}
	w.zoom.Fail(zoomtest.CallOBF, 10, zoomtest.Status(http.StatusInternalServerError, ""))
	if a := w.ask("obf?user_id=user-ada&meeting_id=123456789"); a.StatusCode != http.StatusServiceUnavailable || a.Header.Get("Retry-After") == "" {
		t.Errorf("Zoom in trouble: got %d, Retry-After %q", a.StatusCode, a.Header.Get("Retry-After"))
	}
	logs, err := os.ReadFile(w.logs)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(logs)) {
		if strings.Contains(line, backendSecret) || strings.Contains(line, backendSecret[1:]) {
			t.Errorf("a secret is logged: %s", line)
		}
		if strings.Contains(line, `"logger":"http.handlers.zoom_pkce"`) && strings.Contains(line, "signature=") {
			t.Errorf("a signed URL is logged: %s", line)
		}
	}
}

func TestBackendIsOffByDefault(t *testing.T) {
	w := newWorld(t)
	w.load(w.site())
	w.browser().signIn("/", "user-ada")
	if a := w.ask("token?user_id=user-ada"); a.StatusCode != http.StatusNotFound {
		t.Errorf("got %d", a.StatusCode)
	}
}

func TestKeepGrants(t *testing.T) {
	w := newWorld(t)
	w.load(w.site(backendOptions("keep_grants 24h")))
	b := w.browser()
	b.signIn("/", "user-ada")
	if a := b.open("/zoom_pkce/logout"); !strings.Contains(a.body, `name="disconnect" value="1"`) {
		t.Errorf("no second button: %s", a.body)
	}
	if a := b.post("logout", ""); a.StatusCode != http.StatusSeeOther {
		t.Fatalf("signing out: got %d", a.StatusCode)
	}
	if a := b.open("/", "Sec-Fetch-Dest", "empty", "Sec-Fetch-Mode", "cors"); a.StatusCode != http.StatusUnauthorized {
		t.Errorf("signed out: got %d", a.StatusCode)
	}
	if got := w.owner(w.ask("token?user_id=user-ada")); got != "user-ada" {
		t.Errorf("a token of %q", got)
	}
	if n := w.zoom.Count(zoomtest.CallRevoke); n != 0 {
		t.Errorf("%d tokens revoked", n)
	}

	for _, form := range []bool{true, false} {
		other := w.browser()
		other.signIn("/", "user-ada")
		b.signIn("/", "user-ada")
		token := w.ask("token?user_id=user-ada").object(t)["access_token"]
		if form {
			w.disconnected(b.post("logout", "disconnect=1", "Content-Type", "application/x-www-form-urlencoded"))
		} else {
			w.disconnected(b.post("logout?disconnect=1", ""))
		}
		if a := w.ask("token?user_id=user-ada"); a.StatusCode != http.StatusNotFound {
			t.Errorf("disconnected: got %d %s", a.StatusCode, a.body)
		}
		if _, _, ok := w.zoom.ValidateAccessToken(token); ok {
			t.Error("disconnected: Zoom takes the token")
		}
		if a := other.fetch("GET", "/"); a.StatusCode != http.StatusUnauthorized {
			t.Errorf("the other browser: got %d", a.StatusCode)
		}
	}
	w.load(w.site(backendOptions()))
	b.signIn("/", "user-ada")
	if a := b.open("/zoom_pkce/logout"); strings.Contains(a.body, "disconnect") {
		t.Error("a second button that does what the first one does")
	}
}

func (w *world) disconnected(a answer) {
	w.t.Helper()
	if a.StatusCode != http.StatusSeeOther {
		w.t.Fatalf("disconnecting: got %d %s", a.StatusCode, a.body)
	}
}

func TestTwoAppsCannotShareABackendSecret(t *testing.T) {
	w := newWorld(t)
	site := func(second string) string {
		return w.caddyfile("zoom_pkce /a/* {\n" + w.options() + backendOptions() + "\n}\n" +
			"zoom_pkce /b/* {\n" + w.secondApp(nil) + "backend {\nsecret " + second + "\n}\n}\nrespond ok")
	}
	err := w.tryLoad(site(backendSecret))
	if err == nil || !strings.Contains(err.Error(), "backend secret: the Zoom apps with client_id") || strings.Contains(err.Error(), backendSecret) {
		t.Errorf("one secret: %v", err)
	}
	if err := w.tryLoad(site("a-secret-of-the-second-app-0123456789")); err != nil {
		t.Errorf("two secrets: %v", err)
	}
}

// One user's ZAK, asked for a thousand times at once, is one call to Zoom.
func TestBackendInAFleet(t *testing.T) {
	fleets(t, func(t *testing.T, w *world, store string) {
		site := w.site("session {\nstore "+store+"\nsync_interval 1s\n}", backendOptions("keep_grants 1h"))
		children := []*child{w.begin(site), w.begin(site)}
		for _, c := range children {
			c.await()
		}
		b := w.browser().at(children[0])
		b.signIn("/", "user-ada")
		w.zoom.ResetCounts()
		for i, c := range children {
			if failed := w.askedBy(c.client(), 1000, func(status int) bool { return status == http.StatusOK }); failed != "" {
				t.Error(failed)
			}
			if n := w.zoom.Count(zoomtest.CallZAK); n > i+1 {
				t.Errorf("%d ZAK calls of %d Caddys", n, i+1)
			}
		}
		b.at(children[1]).post("logout?disconnect=1", "")
		gone := func(status int) bool { return status == http.StatusNotFound }
		if failed := w.askedBy(children[1].client(), 1, gone); failed != "" {
			t.Error("where the user disconnected: " + failed)
		}
		testkit.Eventually(t, "the other Caddy to know it", 5*time.Second, func() bool {
			return w.askedBy(children[0].client(), 1, gone) == ""
		})
	})
}

// askedBy asks for a ZAK many times at once, and tells of the first answer that is
// not right.
func (w *world) askedBy(client *http.Client, times int, right func(status int) bool) (wrong string) {
	var all sync.WaitGroup
	wrongs := make(chan string, times)
	for range times {
		all.Go(func() {
			r, err := http.NewRequest(http.MethodGet, w.url+signedURL("zak?user_id=user-ada&format=text"), nil)
			if err != nil {
				wrongs <- err.Error()
				return
			}
			resp, err := doAgain(client, r)
			if err != nil {
				wrongs <- err.Error()
				return
			}
			resp.Body.Close()
			if !right(resp.StatusCode) {
				wrongs <- resp.Status
			}
		})
	}
	all.Wait()
	select {
	case wrong = <-wrongs:
	default:
	}
	return wrong
}

// A master that is killed in the middle of it: no wrong answer, 503 at worst, and
// all is well when the replica has taken over.
func TestBackendOutlivesTheRedisMaster(t *testing.T) {
	master := redistest.Start(t)
	redistest.Start(t, "--replicaof", "127.0.0.1 "+master.Port, "--repl-diskless-sync-delay", "0")
	sentinel := redistest.StartSentinel(t, master,
		"sentinel down-after-milliseconds mymaster 300", "sentinel failover-timeout mymaster 3000")
	w := newWorld(t)
	site := w.site("session {\nstore redis redis://127.0.0.1:"+sentinel.Port+" {\nmaster_name mymaster\n}\nsync_interval 500ms\n}",
		backendOptions("keep_grants 1h"))
	// One knows the user, the other is asked for the first time when the master is gone.
	known, fresh := w.begin(site).await(), w.begin(site).await()
	b := w.browser().at(known)
	b.signIn("/", "user-ada")
	b.post("logout", "")
	testkit.Eventually(t, "the replica to follow, and the Sentinel to know it", 20*time.Second, func() bool {
		return strings.Contains(fmt.Sprint(master.Do(t, "info", "replication")), "state=online") &&
			strings.Contains(fmt.Sprint(sentinel.Do(t, "info", "sentinel")), "slaves=1")
	})
	time.Sleep(time.Second) // until what was written is there, too
	right := func(status int) bool { return status == http.StatusOK || status == http.StatusServiceUnavailable }
	clients := []*http.Client{known.client(), fresh.client()}
	master.Stop(t)
	testkit.Eventually(t, "the replica to take over", 30*time.Second, func() bool {
		for _, client := range clients {
			if wrong := w.askedBy(client, 20, right); wrong != "" {
				t.Fatal(wrong)
			}
		}
		return !strings.Contains(fmt.Sprint(sentinel.Do(t, "sentinel", "masters")), master.Port)
	})
	for _, client := range clients {
		testkit.Eventually(t, "an answer of the new master", 10*time.Second, func() bool {
			return w.askedBy(client, 20, func(status int) bool { return status == http.StatusOK }) == ""
		})
	}
}

// Caddy logs Authorization where it is told to log credentials. Those of the
// app's servers are no more to be read there than the tokens they get.
func TestBackendCredentialsStayOutOfAccessLogs(t *testing.T) {
	w := newWorld(t)
	told := strings.Replace(w.site(backendOptions()), "auto_https off", "auto_https off\n\tservers {\n\t\tlog_credentials\n\t}", 1)
	signed := signedURL("token?user_id=nobody")
	_, signature, _ := strings.Cut(signed, "&signature=")
	logged := func(caddyfile string) string {
		w.load(caddyfile)
		w.ask("token?user_id=nobody")
		b := w.browser()
		b.do(b.request(http.MethodGet, signed))
		logs, err := os.ReadFile(w.logs)
		if err != nil {
			t.Fatal(err)
		}
		return string(logs)
	}
	hidden := logged(strings.Replace(told, "level DEBUG", "level DEBUG\n\t\tformat zoom_pkce", 1))
	if strings.Contains(hidden, "Bearer "+backendSecret) || strings.Contains(hidden, signature) || !strings.Contains(hidden, "user_id=nobody") {
		t.Errorf("logged:\n%s", hidden)
	}
	if shown := logged(told); !strings.Contains(shown, "Bearer "+backendSecret) || !strings.Contains(shown, signature) {
		t.Error("this test sees nothing")
	}
}
