package caddymodule

import (
	"strings"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/conf"
)

// Allow lists who may pass after signing in. A user that any entry matches is
// let in; everybody else gets a 403.
type Allow struct {
	// Zoom account ids: everybody in these accounts. Default: none.
	AccountID []string `json:"account_id,omitempty"`

	// Zoom user ids. Default: none.
	UserID []string `json:"user_id,omitempty"`

	// Email addresses, compared without regard to the case of ASCII letters;
	// only addresses that Zoom says are verified count. Default: none.
	Email []string `json:"email,omitempty"`

	// Domains of verified email addresses, without their subdomains. Default:
	// none.
	EmailDomain []string `json:"email_domain,omitempty"`
}

// allowRules are the entries of Allow as sets; nil lets everybody in.
type allowRules struct {
	accountIDs   map[string]bool
	userIDs      map[string]bool
	emails       map[string]bool
	emailDomains map[string]bool
}

func (a *Allow) subdirective(b *conf.Block) error {
	switch b.Val() {
	case "account_id":
		return b.List(&a.AccountID)
	case "user_id":
		return b.List(&a.UserID)
	case "email":
		return b.List(&a.Email)
	case "email_domain":
		return b.List(&a.EmailDomain)
	default:
		return b.Unrecognized()
	}
}

// resolve returns nil if everybody may pass.
func (a *Allow) resolve(r *resolver) *allowRules {
	if a == nil {
		return nil
	}
	if len(a.AccountID)+len(a.UserID)+len(a.Email)+len(a.EmailDomain) == 0 {
		r.Failf("allow", "lists nobody; leave it out to let everybody in")
	}
	rules := &allowRules{
		accountIDs:   r.allowed("allow account_id", a.AccountID),
		userIDs:      r.allowed("allow user_id", a.UserID),
		emails:       make(map[string]bool),
		emailDomains: make(map[string]bool),
	}
	for _, v := range r.Texts("allow email", a.Email) {
		email := conf.LowerASCII(v.Text)
		if _, ok := emailDomain(email); !ok {
			r.Fail(v, "is not an email address with exactly one @")
		}
		rules.emails[email] = true
	}
	for _, v := range r.Texts("allow email_domain", a.EmailDomain) {
		domain := conf.LowerASCII(v.Text)
		if !conf.ValidHost(domain) {
			r.Fail(v, "is not a domain; write it without @ or a leading dot")
		}
		rules.emailDomains[domain] = true
	}
	return rules
}

func (r *resolver) allowed(option string, raws []string) map[string]bool {
	set := make(map[string]bool)
	for _, v := range r.Texts(option, raws) {
		set[v.Text] = true
	}
	return set
}

// match tells whether a user may pass. verifiedEmail is empty unless Zoom says
// that the address is verified.
func (a *allowRules) match(accountID, userID, verifiedEmail string) bool {
	if a == nil {
		return true
	}
	if a.accountIDs[accountID] || a.userIDs[userID] {
		return true
	}
	email := conf.LowerASCII(verifiedEmail)
	domain, ok := emailDomain(email)
	return ok && (a.emails[email] || a.emailDomains[domain])
}

// asksForEmail tells whether an e-mail address can be what lets a user pass.
func (a *allowRules) asksForEmail() bool { return len(a.emails)+len(a.emailDomains) > 0 }

// emailDomain returns what follows the @. An address with several is refused:
// oauth2-proxy let "attacker@evil.com@company.com" pass as company.com
// (GHSA-c5c4-8r6x-56w3).
func emailDomain(email string) (string, bool) {
	local, domain, found := strings.Cut(email, "@")
	return domain, found && local != "" && domain != "" && !strings.Contains(domain, "@")
}
