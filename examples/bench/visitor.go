package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

// visitor is a browser without a window, on one connection to one Caddy.
type visitor struct {
	addr   string
	conn   net.Conn
	reader *bufio.Reader
}

func newVisitor(addr string) (*visitor, error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	return &visitor{addr, conn, bufio.NewReader(conn)}, nil
}

func (v *visitor) close() { v.conn.Close() }

// open loads a page, again where the disk of a busy machine was too slow.
func (v *visitor) open(target, cookie string) (resp *http.Response, body []byte, err error) {
	for range 10 {
		resp, body, err = v.get(target, cookie)
		if err != nil || resp.StatusCode != http.StatusServiceUnavailable {
			break
		}
		time.Sleep(time.Second)
	}
	return resp, body, err
}

func (v *visitor) get(target, cookie string) (*http.Response, []byte, error) {
	if err := v.conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		return nil, nil, err
	}
	headers := "Accept: text/html\r\nUser-Agent: bench\r\n"
	if cookie != "" {
		headers += "Cookie: " + cookie + "\r\n"
	}
	if _, err := io.WriteString(v.conn, "GET "+target+" HTTP/1.1\r\nHost: "+v.addr+"\r\n"+headers+"\r\n"); err != nil {
		return nil, nil, err
	}
	resp, err := http.ReadResponse(v.reader, nil)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	return resp, body, err
}

// signIn is a complete sign-in: a page that leads to Zoom, the consent there, the
// callback, and the page again. It returns the session cookie and the body of the page.
func (v *visitor) signIn(ctx context.Context, zoom *zoomtest.Server, user, page string) (cookie string, body []byte, err error) {
	resp, body, err := v.open(page, "")
	if err != nil {
		return "", nil, err
	}
	if resp.StatusCode != http.StatusSeeOther {
		return "", nil, fmt.Errorf("a sign-in began with %s: %.200q", resp.Status, body)
	}
	callback, err := zoom.SignIn(ctx, resp.Header.Get("Location"), user)
	if err != nil {
		return "", nil, err
	}
	u, err := url.Parse(callback)
	if err != nil {
		return "", nil, err
	}
	if resp, _, err = v.open(u.RequestURI(), cookiesOf(resp)); err != nil {
		return "", nil, err
	}
	for _, c := range resp.Cookies() {
		if c.MaxAge > 3600 {
			cookie = c.Name + "=" + c.Value
		}
	}
	if resp, body, err = v.open(resp.Header.Get("Location"), cookie); err != nil {
		return "", nil, err
	}
	if resp.StatusCode != http.StatusOK || cookie == "" {
		return "", nil, fmt.Errorf("a sign-in ended with %s", resp.Status)
	}
	return cookie, body, nil
}

// cookiesOf is the Cookie header of a browser that had none before an answer.
func cookiesOf(resp *http.Response) string {
	var pairs []string
	for _, c := range resp.Cookies() {
		if c.MaxAge >= 0 {
			pairs = append(pairs, c.Name+"="+c.Value)
		}
	}
	return strings.Join(pairs, "; ")
}
