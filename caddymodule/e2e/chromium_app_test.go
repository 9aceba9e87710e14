package e2e

import (
	"bufio"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"html"
	"io"
	"net/http"
	"testing"
)

// pages makes the upstream an app with pages: each tells its address and who it
// was opened by, and runs the script given.
func (u *upstream) pages(script string) {
	u.serveWith(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprintf(w, `<!DOCTYPE html><title>app</title><h1 id="app">%s for %s</h1><p id="out"></p><script>
const out = (text) => { const p = document.getElementById("out"); p.textContent = text; p.className = "done"; };
%s</script>`, html.EscapeString(r.RequestURI), html.EscapeString(r.Header.Get("X-Zoom-User-Id")), script)
	})
}

// echoWebSocket answers one message of a WebSocket with who it is from (RFC
// 6455). It reads short messages only, which is all a browser is made to send.
func echoWebSocket(t *testing.T, w http.ResponseWriter, r *http.Request) {
	conn, stream, err := http.NewResponseController(w).Hijack()
	if err != nil {
		t.Error("taking the connection over:", err)
		return
	}
	defer conn.Close()
	sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	fmt.Fprintf(stream, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: %s\r\n\r\n",
		base64.StdEncoding.EncodeToString(sum[:]))
	if err := stream.Flush(); err != nil {
		t.Error("accepting the WebSocket:", err)
		return
	}
	message, err := readShortFrame(stream.Reader)
	if err != nil {
		t.Error("reading from the WebSocket:", err)
		return
	}
	answer := fmt.Sprintf("%s from %s", message, r.Header.Get("X-Zoom-User-Id"))
	_, _ = stream.Write(append([]byte{0x81, byte(len(answer))}, answer...))
	_ = stream.Flush()
	_, _ = io.Copy(io.Discard, stream) // until the page is gone
}

func readShortFrame(r *bufio.Reader) (string, error) {
	var head [6]byte // FIN and text; masked and length; mask
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return "", err
	}
	if head[0] != 0x81 || head[1]&0x80 == 0 || head[1]&0x7f > 125 {
		return "", fmt.Errorf("unexpected frame %x", head)
	}
	message := make([]byte, head[1]&0x7f)
	if _, err := io.ReadFull(r, message); err != nil {
		return "", err
	}
	for i := range message {
		message[i] ^= head[2+i%4]
	}
	return string(message), nil
}
