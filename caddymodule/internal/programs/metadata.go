package programs

import (
	"net/http"
	"strings"
)

// Where clients look for metadata: of the authorization server (RFC 8414, section
// 3) and of what its tokens open (RFC 9728, section 3). OpenID Connect's place is
// not among them: clients that look there demand what only it has.
const (
	serverPath   = "/.well-known/oauth-authorization-server"
	resourcePath = "/.well-known/oauth-protected-resource"
)

// MetadataPaths are the paths without which programs do not find the site's sign-in.
var MetadataPaths = []string{serverPath, resourcePath}

// IsMetadata reports whether a path, as sent, is one at which this package
// answers.
func IsMetadata(path string) bool {
	for _, root := range MetadataPaths {
		if rest, ok := strings.CutPrefix(path, root); ok && (rest == "" || rest[0] == '/') {
			return true
		}
	}
	return false
}

type serverMetadata struct {
	Issuer                 string   `json:"issuer"`
	AuthorizationEndpoint  string   `json:"authorization_endpoint"`
	TokenEndpoint          string   `json:"token_endpoint"`
	RevocationEndpoint     string   `json:"revocation_endpoint"`
	RegistrationEndpoint   string   `json:"registration_endpoint,omitempty"`
	ResponseTypes          []string `json:"response_types_supported"`
	ResponseModes          []string `json:"response_modes_supported"`
	GrantTypes             []string `json:"grant_types_supported"`
	ChallengeMethods       []string `json:"code_challenge_methods_supported"`
	TokenAuthMethods       []string `json:"token_endpoint_auth_methods_supported"`
	RevocationAuthMethods  []string `json:"revocation_endpoint_auth_methods_supported"`
	IssuerInAuthorizations bool     `json:"authorization_response_iss_parameter_supported"`
	ClientDocuments        bool     `json:"client_id_metadata_document_supported,omitempty"`
}

type resourceMetadata struct {
	Resource             string   `json:"resource"`
	AuthorizationServers []string `json:"authorization_servers"`
	BearerMethods        []string `json:"bearer_methods_supported"`
}

// Metadata answers a request for one of the paths of [IsMetadata].
func (s *Server) Metadata(w http.ResponseWriter, r *http.Request, path string) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		s.wrongMethod(w, "GET, HEAD")
		return
	}
	issuer := s.Site.Issuer(r)
	if path == serverPath {
		s.writeJSON(w, http.StatusOK, s.serverMetadata(issuer))
		return
	}
	resource, ok := strings.CutPrefix(path, resourcePath)
	if !ok || resource != "" && !s.hasResource(r, resource) {
		s.writeError(w, http.StatusNotFound, "not_found")
		return
	}
	s.writeJSON(w, http.StatusOK, resourceMetadata{
		Resource: issuer + resource, AuthorizationServers: []string{issuer}, BearerMethods: []string{"header"},
	})
}

// hasResource reports whether tokens open path.
func (s *Server) hasResource(r *http.Request, path string) bool {
	if rest, ok := strings.CutPrefix(path, s.PathPrefix); ok && (rest == "" || rest[0] == '/') {
		return false
	}
	return s.Site.Protects(r, path)
}

func (s *Server) serverMetadata(issuer string) serverMetadata {
	at := issuer + s.PathPrefix + "/oauth/"
	none := []string{"none"} // public clients only
	m := serverMetadata{
		Issuer:                 issuer,
		AuthorizationEndpoint:  at + "authorize",
		TokenEndpoint:          at + "token",
		RevocationEndpoint:     at + "revoke",
		ResponseTypes:          []string{"code"},
		ResponseModes:          []string{"query"},
		GrantTypes:             []string{grantCode, grantRefresh},
		ChallengeMethods:       []string{"S256"},
		TokenAuthMethods:       none,
		RevocationAuthMethods:  none,
		IssuerInAuthorizations: true,
		ClientDocuments:        s.Clients.documents != nil,
	}
	if s.CanRegister() {
		m.RegistrationEndpoint = at + "register"
	}
	return m
}

// MetadataURL is where a client that was refused at path finds out how to sign
// in; the root document stands for path "".
func MetadataURL(issuer, path string) string {
	if path == "/" {
		path = "" // clients leave a lone slash out of the resource
	}
	return issuer + resourcePath + path
}
