package zoomtest

import (
	"encoding/json"
	"net/http"
	"net/url"
)

// deeplink is POST /v2/zoomapp/deeplink: where to send the browser after a web
// install, so that the app opens in the Zoom client. The body is that of Zoom's
// samples, {"action": "..."}. Which scope it needs is not known, so none is
// asked for.
func (s *Server) deeplink(q *request) answer {
	c, refusal, ok := s.authorizeAPI(q, http.MethodPost, nil)
	if !ok {
		return refusal
	}
	if c.user == nil {
		return apiError(http.StatusNotFound, 1001, "User not exist.")
	}
	var body *struct {
		Action string `json:"action"`
	}
	if q.media != "application/json" || q.err != nil || json.Unmarshal(q.body, &body) != nil || body == nil {
		return apiError(http.StatusBadRequest, 300, "Request Body should be a valid JSON object.")
	}
	return deeplinkAnswer("zoomus://zoom.test/zoomapp?" + url.Values{
		"client_id": {c.grant.clientID}, "action": {body.Action},
	}.Encode())
}

func deeplinkAnswer(url string) answer {
	return jsonAnswer(http.StatusOK, map[string]string{"deeplink": url})
}
