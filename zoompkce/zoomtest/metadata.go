package zoomtest

import "net/http"

const metadataPath = "/.well-known/oauth-authorization-server"

// metadata is what Zoom says of its OAuth endpoints. It is as poor as the real
// one (api-evangelist/zoom-phone, read in July 2026): without revocation, PKCE
// and public clients, all of which exist. Who configures a client from it gets
// a worse one.
func (s *Server) metadata(q *request) answer {
	if q.Method != http.MethodGet {
		return methodNotAllowed(http.MethodGet)
	}
	return jsonAnswer(http.StatusOK, map[string]any{
		"issuer":                   s.URL,
		"authorization_endpoint":   s.URL + "/oauth/authorize",
		"token_endpoint":           s.URL + "/oauth/token",
		"response_types_supported": []string{"code"},
		"grant_types_supported": []string{
			"authorization_code", "refresh_token", "client_credentials",
			"urn:ietf:params:oauth:grant-type:jwt-bearer",
		},
		"token_endpoint_auth_methods_supported": []string{"client_secret_basic"},
	})
}
