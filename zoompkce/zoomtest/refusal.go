package zoomtest

import (
	"cmp"
	"net/http"
)

// A refreshRefusal is how a dead refresh token is refused. The zero value is
// what Zoom says today.
type refreshRefusal struct {
	status int
	code   string
	bare   bool // without the field "error"
}

// RefuseRefreshesWith chooses the words in which Zoom refuses a dead refresh
// token. The reason is always "Invalid Token!"; today the status is 400 and the
// error "invalid_grant" (raycast/extensions#10896, CoreVideo#196). Seen were
// also "invalid_request", the reason alone, for which code is empty, and status
// 401 (tl-its-umich-edu/remote-office-hours-queue#363).
func (s *Server) RefuseRefreshesWith(status int, code string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refusedRefresh = refreshRefusal{status, code, code == ""}
}

func (r refreshRefusal) answer() answer {
	const reason = "Invalid Token!"
	if r.bare {
		return jsonAnswer(r.status, map[string]string{"reason": reason})
	}
	a := oauthError(cmp.Or(r.code, "invalid_grant"), reason)
	a.status = cmp.Or(r.status, http.StatusBadRequest)
	return a
}
