package caddymodule

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/outcome"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/pages"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/telemetry"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
)

// With `same_site none` a frame has cookies of its own, for each site that embeds
// it (Partitioned), so who signs in in a window is not signed in in the frame. The
// window gets a ticket, which the frame redeems:
//
//	frame   makes up a key, and opens GET login?frame=<key>&by=<origins around it>
//	window  signs in at Zoom, comes back to that address, names the origins, waits
//	        for a press, then POST frame/ticket
//	frame   gets the ticket by postMessage, POST frame/redeem, loads anew
//
// What the steps are for:
//
//   - Clickjacking. The page around a frame can have a visitor press what is in it
//     without seeing it, and Zoom lets apps in again without asking. So nothing is handed
//     over before a press in the window, which nobody can frame, and which names whom it is for.
//     A double click that began elsewhere is none: the button works after a second.
//   - A third site. It can open the window itself with any names it likes, but not with
//     the key of a frame, which only the frame's script and its window know: the
//     key is what proves that the names are those the browser told the frame. A frame takes
//     a ticket from its own origin with its own key only, and a ticket in a cookie is found
//     by the key alone. Both endpoints answer pages of our own origin.
//   - Names that a browser does not tell, or that the page around has taken out of the
//     frame's list (`referrerpolicy`, sandboxes), cannot be shown, so there is no ticket then.
//   - Login CSRF. A frame takes tickets only from the window it opened, so nobody
//     can sign it in as somebody else.
//   - Replays. A ticket lives for 60 s and is used up in the store.
//   - A frame's session gets no ticket: pressing there may be a stolen click.

// framesApart tells whether browsers keep a frame's cookies apart.
func (s *site) framesApart() bool { return s.cookie.sameSite == http.SameSiteNoneMode }

// frameWindow is the window that a frame has opened, by its address.
type frameWindow struct {
	key string   // of the frame
	by  []string // the origins of the pages around it
}

// frameKeyLen is the number of hex digits of a frame's key: 128 random bits.
const frameKeyLen = 32

// maxAncestors bounds the names of the pages around a frame, in bytes, as the login
// cookie has to hold them.
const maxAncestors = 512

// frameWindowAt finds a window of a frame by its query. A query that is none of the frame's
// script's is a plain sign-in's.
func (s *site) frameWindowAt(query url.Values) (window frameWindow, ok bool) {
	key, by := query.Get("frame"), query.Get("by")
	if !s.framesApart() || !isFrameKey(key) || len(by) > maxAncestors {
		return frameWindow{}, false
	}
	window = frameWindow{key, strings.Split(by, ",")}
	for _, origin := range window.by {
		if !isOrigin(origin) {
			return frameWindow{}, false
		}
	}
	return window, true
}

func isFrameKey(key string) bool {
	return len(key) == frameKeyLen && strings.Trim(key, "0123456789abcdef") == ""
}

// isOrigin reports whether text is an origin as browsers write it (RFC 6454, section
// 6.2), and not that of a page without one, "null".
func isOrigin(text string) bool {
	u, err := url.Parse(text)
	return err == nil && u.Host != "" && u.Scheme+"://"+u.Host == text
}

// url is the address of the window, to which its sign-in returns.
func (f frameWindow) url(pathPrefix string) string {
	return pathPrefix + "/login?" + url.Values{"frame": {f.key}, "by": {strings.Join(f.by, ",")}}.Encode()
}

// isFrameWindow reports whether a return URL of ours is that of a frame's window, at
// which a sign-in begins anew.
func (s *site) isFrameWindow(returnURL string) bool {
	return s.framesApart() && strings.HasPrefix(returnURL, s.pathPrefix+"/login?")
}

// serveFrameWindow signs in in the window that a frame has opened, and then asks whether
// the frame may have a session.
func (s *site) serveFrameWindow(w http.ResponseWriter, r *http.Request, v *visit, window frameWindow) error {
	session, err := s.sessionOf(r, v)
	if err == nil {
		_, err = s.admit(r, session)
	}
	if err != nil {
		return s.refuseFrameWindow(w, r, v, window, err)
	}
	telemetry.Metrics.Count(telemetry.DecisionEndpoint)
	p := session.Profile()
	page := pages.FrameWindowPage(requestIDOf(r), pages.Account{Name: p.Name, Email: p.Email, UserID: p.ID},
		window.by, pages.FrameScript{Endpoint: s.pathPrefix + "/frame/ticket", Key: window.key})
	security := s.pageSecurity(w, r)
	security.FrameAncestors = "" // nobody's, whoever may frame other pages
	page.Write(w, http.StatusOK, security, 0)
	return nil
}

// refuseFrameWindow sends a visitor to Zoom, or tells what is in the way.
func (s *site) refuseFrameWindow(w http.ResponseWriter, r *http.Request, v *visit, window frameWindow, err error) error {
	f := refusalOf(err)
	f.returnURL = window.url(s.pathPrefix)
	switch f.code {
	case outcome.SignInRequired:
		s.clearAmbiguous(w, err)
		// The sign-in comes back here, so that a lost session would go round for ever.
		if broken, err := s.breakLoop(w, r, v, f.returnURL); broken {
			return err
		}
		return s.startLogin(w, r, v, loginStart{returnURL: f.returnURL})
	case outcome.NotAllowed:
		return s.refuseVisitor(w, r, v, err)
	}
	return s.refuse(w, r, f)
}

// frameWish is what a window or a frame asks for.
type frameWish struct {
	Ticket string `json:"ticket"`
	// Key is the frame's, where the ticket goes by a cookie.
	Key string `json:"frame"`
}

type frameTicketAnswer struct {
	Ticket string `json:"ticket"`
}

// serveFrameTicket gives the window a ticket for its frame. With the frame's key
// it is kept in a cookie, too: a page at Zoom may have cut the window off from the
// frame (Cross-Origin-Opener-Policy).
func (s *site) serveFrameTicket(w http.ResponseWriter, r *http.Request, v *visit) error {
	session, _, err := s.visitor(w, r, v)
	if err != nil {
		return s.refuse(w, r, refusalOf(err))
	}
	var wish frameWish
	if r.ContentLength != 0 {
		if err := visitorBodies.ReadJSON(w, r, &wish); err != nil {
			return s.refuse(w, r, bodyRefusal(err))
		}
	}
	if wish.Key != "" && !isFrameKey(wish.Key) {
		return s.refuse(w, r, refusal{code: outcome.BadRequest, err: errors.New("frame is no key of a frame")})
	}
	ticket, err := s.manager.FrameTicket(r.Context(), session)
	if err != nil {
		return s.refuseTicket(w, r, err)
	}
	if wish.Key != "" {
		http.SetCookie(w, s.ticketCookie(wish.Key, ticket))
	}
	return s.answer(w, frameTicketAnswer{ticket})
}

// ticketCookie keeps a ticket, or forgets it if it is "". Its name has the frame's key,
// so that no other frame finds it. It is not Partitioned: a frame that has been
// given access to the cookies of its site sees those (Storage Access API).
func (s *site) ticketCookie(key, ticket string) *http.Cookie {
	life := zoompkce.FrameTicketLifetime
	if ticket == "" {
		life = 0
	}
	cookie := s.manager.Cookie("frame_"+key, ticket, life)
	cookie.Partitioned = false
	return cookie
}

// serveFrameRedeem opens the frame's session.
func (s *site) serveFrameRedeem(w http.ResponseWriter, r *http.Request, v *visit) error {
	var wish frameWish
	if err := s.bodiesOf(r, v).ReadJSON(w, r, &wish); err != nil {
		return s.refuse(w, r, bodyRefusal(err))
	}
	kept := wish.Ticket == "" && isFrameKey(wish.Key)
	if kept {
		wish.Ticket = s.manager.CookieValue(v.cookies, "frame_"+wish.Key)
	}
	ticket, err := s.manager.OpenFrameTicket(r.Context(), wish.Ticket)
	if err != nil {
		return s.refuseTicket(w, r, err)
	}
	profile, err := s.admit(r, ticket.Session())
	if err != nil {
		return s.refuseTicket(w, r, err)
	}
	signedIn, err := s.manager.RedeemFrameTicket(r.Context(), ticket, v.cookies)
	if err != nil {
		return s.refuseTicket(w, r, err)
	}
	http.SetCookie(w, signedIn.Cookie)
	if kept {
		http.SetCookie(w, s.ticketCookie(wish.Key, ""))
	}
	return s.answer(w, s.sessionAnswer(profile, s.manager.ExpiresAt(signedIn.Session)))
}

func (s *site) refuseTicket(w http.ResponseWriter, r *http.Request, err error) error {
	f := refusalOf(err)
	switch {
	case errors.Is(err, zoompkce.ErrTicketRefused):
		f.code = outcome.NotAllowed
	case errors.Is(err, zoompkce.ErrNoTicket):
		f.code = outcome.BadRequest
	case errors.Is(err, zoompkce.ErrTicketOver):
		f.code = outcome.LoginExpired
	case errors.Is(err, zoompkce.ErrTooManyFrames):
		f.code = outcome.TooManyLogins
	}
	return s.refuse(w, r, f)
}

// refuseFramed asks a visitor inside a frame to sign in in a window of its own.
func (s *site) refuseFramed(w http.ResponseWriter, r *http.Request, returnURL string) error {
	var script pages.FrameScript
	if s.framesApart() {
		script = pages.FrameScript{Endpoint: s.pathPrefix + "/frame/redeem", Window: s.pathPrefix + "/login"}
	}
	p := pages.FramedSignInPage("", s.loginURL(returnURL), returnURL, script)
	return s.refuse(w, r, refusal{code: outcome.SignInRequired, page: &p, framed: true})
}
