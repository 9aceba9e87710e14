package zoomtest

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"strings"
)

// maxBody is more than any request to Zoom in this simulation needs.
const maxBody = 1 << 20

// A request is a call with its parameters read.
type request struct {
	*http.Request
	call   Call
	userID string // whose code or token came with it
	query  url.Values
	media  string     // type of the body
	form   url.Values // of a form body
	body   []byte
	err    error // unreadable parameters
}

// An answer is what an endpoint decided, before anything is written.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// ServeHTTP answers one call to Zoom.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !s.enter() {
		panic(http.ErrAbortHandler) // closed: as good as not listening
	}
	defer s.working.Done()

	// Close lets go of handlers that wait for their client.
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(s.ctx, cancel)()

	q := readRequest(w, r.WithContext(ctx))
	if isAPI(q.URL.Path) {
		w.Header().Set("X-Zm-Trackingid", "v=2.0;clid=zoomtest;rid=WEB_"+randomHex(16))
	}

	s.arrive(q).wait(s.ctx)
	a, after, instead := s.process(q)
	after.wait(s.ctx)
	if instead != nil {
		instead.ServeHTTP(w, q.Request)
		return
	}
	a.write(w)
}

// arrive records a call and returns the gate that is to hold it, or nil.
func (s *Server) arrive(q *request) *Gate {
	s.mu.Lock()
	defer s.mu.Unlock()
	q.userID = s.userOf(q)
	s.record(q)
	return s.takeGate(q.call, Before)
}

// process lets the endpoint decide, unless a fault takes the call, and returns
// what comes between that and the client.
func (s *Server) process(q *request) (a answer, after *Gate, instead http.Handler) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if fault := s.takeFault(q, Before); fault != nil {
		return answer{}, nil, fault
	}
	a = s.answer(q)
	return a, s.takeGate(q.call, After), s.takeFault(q, After)
}

// enter counts a call in, unless the server is closed.
func (s *Server) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.working.Add(1)
	return true
}

// answer lets the endpoint of a call decide. All state changes of a call
// happen in here, at once: s.mu is held.
func (s *Server) answer(q *request) answer {
	switch q.call {
	case CallAuthorize:
		return s.authorize(q)
	case CallConsent:
		return s.consent(q)
	case CallCode, CallRefresh, CallToken:
		return s.token(q)
	case CallRevoke:
		return s.revoke(q)
	case CallMe:
		return s.me(q)
	case CallZAK:
		return s.zak(q)
	case CallZAKToken, CallOBF, CallUserToken:
		return s.userToken(q)
	case CallDeeplink:
		return s.deeplink(q)
	case CallDownload:
		return s.download(q)
	}
	switch q.URL.Path {
	case signOutPath:
		return s.signOut(q)
	case metadataPath:
		return s.metadata(q)
	}
	return apiError(http.StatusNotFound, 404, "Not found.")
}

// readRequest reads the parameters of a call. Zoom takes token parameters from
// the query or from a form body (its documentation of OAuth for Zoom Rooms).
func readRequest(w http.ResponseWriter, r *http.Request) *request {
	q := &request{Request: r}
	q.query, q.err = url.ParseQuery(r.URL.RawQuery)
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	q.body, q.err = body, errors.Join(q.err, err)
	r.Body = io.NopCloser(bytes.NewReader(body))

	q.media, _, _ = mime.ParseMediaType(r.Header.Get("Content-Type"))
	if q.media == "application/x-www-form-urlencoded" {
		q.form, err = url.ParseQuery(string(body))
		q.err = errors.Join(q.err, err)
	}
	q.call = classify(r.URL.Path, q.params())
	return q
}

// params returns the parameters of query and form body together.
func (q *request) params() url.Values {
	all := make(url.Values)
	for _, values := range []url.Values{q.query, q.form} {
		for name, list := range values {
			all[name] = append(all[name], list...)
		}
	}
	return all
}

// repeated returns the name of a parameter that was sent more than once, which
// RFC 6749 section 3.1 and 3.2 forbid.
func repeated(params url.Values) string {
	for name, list := range params {
		if len(list) > 1 {
			return name
		}
	}
	return ""
}

func isAPI(path string) bool {
	return path == "/oauth/token" || path == "/oauth/revoke" || strings.HasPrefix(path, "/v2/")
}

func jsonAnswer(status int, v any) answer {
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic("zoomtest: encoding an answer: " + err.Error())
	}
	return answer{
		status: status,
		header: http.Header{"Content-Type": {"application/json;charset=UTF-8"}},
		body:   bytes.TrimSuffix(body.Bytes(), []byte("\n")),
	}
}

// apiError is an error of the REST API: a number that is not tied to the HTTP
// status, and a message.
func apiError(status, code int, message string) answer {
	return jsonAnswer(status, struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	}{code, message})
}

func methodNotAllowed(allow string) answer {
	a := apiError(http.StatusMethodNotAllowed, 405, "Method not allowed.")
	a.header.Set("Allow", allow)
	return a
}

func (a answer) write(w http.ResponseWriter) {
	maps.Copy(w.Header(), a.header)
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body) // the client may have left
}

func randomHex(bytes int) string {
	b := make([]byte, bytes)
	rand.Read(b)
	return hex.EncodeToString(b)
}
