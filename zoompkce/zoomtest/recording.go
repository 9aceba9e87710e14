package zoomtest

import (
	"cmp"
	"context"
	"net/http"
	"strings"
	"time"
)

const downloadPath = "/rec/download/"

// A Recording is a cloud recording that is ready.
type Recording struct {
	HostID    string // whose meeting it was: the one user who may download it
	MeetingID int64  // 0 means 85746065
	Topic     string
	Content   []byte // of its one file
}

// CompleteRecording is a meeting whose recording has become ready: the app
// named hears of it with a recording.completed event, whose one file is
// downloaded from this server with the host's access token as a bearer token.
// Zoom's download_token, a way to go without, is left out, and no scope is
// asked for: which one Zoom wants is not known.
func (s *Server) CompleteRecording(ctx context.Context, clientID string, r Recording) (*http.Response, error) {
	r.MeetingID = cmp.Or(r.MeetingID, 85746065)
	id := randomID(24)
	s.mu.Lock()
	host, now := s.users[r.HostID], s.now().UTC()
	if host != nil {
		s.recordings[id] = r
	}
	s.mu.Unlock()
	if host == nil {
		return nil, errNoUser(r.HostID)
	}
	const length = time.Hour
	start, end := now.Add(-length).Format(time.RFC3339), now.Format(time.RFC3339)
	uuid := randomID(16) + "=="
	return s.Webhook(ctx, clientID, "recording.completed", map[string]any{
		"account_id": host.AccountID,
		"object": map[string]any{
			"uuid":            uuid,
			"id":              r.MeetingID,
			"account_id":      host.AccountID,
			"host_id":         r.HostID,
			"host_email":      host.Email,
			"topic":           r.Topic,
			"type":            2, // a scheduled meeting
			"start_time":      start,
			"duration":        length.Minutes(),
			"total_size":      len(r.Content),
			"recording_count": 1,
			"recording_files": []map[string]any{{
				"id":              randomUUID(),
				"meeting_id":      uuid,
				"recording_start": start,
				"recording_end":   end,
				"recording_type":  "shared_screen_with_speaker_view",
				"file_type":       "MP4",
				"file_extension":  "MP4",
				"file_size":       len(r.Content),
				"status":          "completed",
				"download_url":    s.URL + downloadPath + id,
			}},
		},
	})
}

// download is GET /rec/download/{id}.
func (s *Server) download(q *request) answer {
	c, refusal, ok := s.authorizeAPI(q, http.MethodGet, nil)
	if !ok {
		return refusal
	}
	r, ok := s.recordings[strings.TrimPrefix(q.URL.Path, downloadPath)]
	if !ok || r.HostID != c.grant.userID {
		return apiError(http.StatusNotFound, 3301, "This recording does not exist.")
	}
	return answer{
		status: http.StatusOK,
		header: http.Header{"Content-Type": {"video/mp4"}},
		body:   r.Content,
	}
}
