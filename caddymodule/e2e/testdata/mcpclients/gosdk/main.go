// Command gosdk is a client on the MCP SDK for Go. It signs in by what the server
// tells it, and calls the tool echo for each line that it reads.
//
//	gosdk register|CLIENT_ID|DOCUMENT SERVER
//
// It writes "open ADDRESS" where a person has to go, and for each line "result TEXT"
// or "error TEXT".
package main

import (
	"bufio"
	"context"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/modelcontextprotocol/go-sdk/oauthex"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 3 {
		log.Fatal("usage: gosdk register|CLIENT_ID|DOCUMENT SERVER")
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	answers := make(chan url.Values)
	go http.Serve(listener, receive(answers))

	config := &auth.AuthorizationCodeHandlerConfig{
		RedirectURL: "http://" + listener.Addr().String() + "/callback",
		AuthorizationCodeFetcher: func(ctx context.Context, args *auth.AuthorizationArgs) (*auth.AuthorizationResult, error) {
			say("open", args.URL)
			answer := <-answers
			if answer.Has("error") {
				return nil, fmt.Errorf("%s: %s", answer.Get("error"), answer.Get("error_description"))
			}
			return &auth.AuthorizationResult{Code: answer.Get("code"), State: answer.Get("state"), Iss: answer.Get("iss")}, nil
		},
	}
	switch id := os.Args[1]; {
	case id == "register":
		config.DynamicClientRegistrationConfig = &auth.DynamicClientRegistrationConfig{
			Metadata: &oauthex.ClientRegistrationMetadata{ClientName: "An MCP client in Go", RedirectURIs: []string{config.RedirectURL}},
		}
	case strings.HasPrefix(id, "https:"):
		config.ClientIDMetadataDocumentConfig = &auth.ClientIDMetadataDocumentConfig{URL: id}
	default:
		config.PreregisteredClient = &oauthex.ClientCredentials{ClientID: id}
	}
	handler, err := auth.NewAuthorizationCodeHandler(config)
	if err != nil {
		log.Fatal(err)
	}

	c := &client{transport: &mcp.StreamableClientTransport{Endpoint: os.Args[2], OAuthHandler: handler}}
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		if text, err := c.call(context.Background(), lines.Text()); err != nil {
			say("error", err.Error())
		} else {
			say("result", text)
		}
	}
}

func say(what, text string) { fmt.Println(what, strings.ReplaceAll(text, "\n", " ")) }

// receive takes what the browser brings back.
func receive(answers chan<- url.Values) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "You can close this page.")
		answers <- r.URL.Query()
	}
}

type client struct {
	transport *mcp.StreamableClientTransport
	session   *mcp.ClientSession
}

// call calls the tool, on a new connection after a failure.
func (c *client) call(ctx context.Context, message string) (text string, err error) {
	if c.session == nil {
		c.session, err = mcp.NewClient(&mcp.Implementation{Name: "client", Version: "1"}, nil).Connect(ctx, c.transport, nil)
		if err != nil {
			return "", err
		}
	}
	result, err := c.session.CallTool(ctx, &mcp.CallToolParams{Name: "echo", Arguments: map[string]any{"message": message}})
	if err != nil {
		c.session = nil
		return "", err
	}
	return result.Content[0].(*mcp.TextContent).Text, nil
}
