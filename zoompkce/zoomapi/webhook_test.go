package zoomapi

import (
	"strings"
	"testing"
	"time"
)

func TestVerifyWebhook(t *testing.T) {
	const (
		secret    = "webhook-secret"
		timestamp = "1739923528"
		body      = `{"event":"app_deauthorized"}`
		// printf 'v0:1739923528:{"event":"app_deauthorized"}' | openssl dgst -sha256 -hmac webhook-secret
		signature = "v0=833e84660612d93396bacd84ac7dd343b30ed2bfd6203d1a30ddb7a231626f9d"
	)
	for name, test := range map[string]struct {
		secrets                    []string
		timestamp, signature, body string
		want                       bool
	}{
		"good":                   {[]string{secret}, timestamp, signature, body, true},
		"second secret":          {[]string{"other", secret}, timestamp, signature, body, true},
		"first secret":           {[]string{secret, "other"}, timestamp, signature, body, true},
		"secret after no secret": {[]string{"", secret}, timestamp, signature, body, true},
		"other secret":           {[]string{"other"}, timestamp, signature, body, false},
		"no secrets":             {nil, timestamp, signature, body, false},
		"other time":             {[]string{secret}, "1739923529", signature, body, false},
		"other body":             {[]string{secret}, timestamp, signature, body + " ", false},
		"no signature":           {[]string{secret}, timestamp, "", body, false},
		"only the version":       {[]string{secret}, timestamp, "v0=", body, false},
		"no version":             {[]string{secret}, timestamp, strings.TrimPrefix(signature, "v0="), body, false},
		"longer":                 {[]string{secret}, timestamp, signature + "0", body, false},
		"signed with no secret":  {[]string{""}, timestamp, "v0=" + webhookMAC("", "v0:"+timestamp+":", []byte(body)), body, false},
		"signature of no secret": {[]string{"", secret}, timestamp, "v0=" + webhookMAC("", "v0:"+timestamp+":", []byte(body)), body, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := VerifyWebhook(test.secrets, test.timestamp, test.signature, []byte(test.body)); got != test.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

func TestWebhookURLToken(t *testing.T) {
	// printf abc | openssl dgst -sha256 -hmac webhook-secret
	if got, ok := WebhookURLToken("webhook-secret", "abc"); !ok || got != "a9d858b92997af238ba734b1bf5fc1c1970ba44ef1c86744a9c060ee675da874" {
		t.Errorf("got %s, %v", got, ok)
	}
	if _, ok := WebhookURLToken("s", strings.Repeat("a", 128)); !ok {
		t.Error("128 characters are refused")
	}
	for _, bad := range []string{"", strings.Repeat("a", 129), "v0:1739923528:{}", "a b", "a\n", "é"} {
		if got, ok := WebhookURLToken("s", bad); ok {
			t.Errorf("%q was signed: %s", bad, got)
		}
	}
	if _, ok := WebhookURLToken("", "abc"); ok {
		t.Error("signed without a secret")
	}
}

func TestIsWebhookSignature(t *testing.T) {
	mac := strings.Repeat("0f", 32)
	for signature, want := range map[string]bool{
		"v0=" + mac: true, "v1=" + mac: false, mac: false, "v0=" + mac + "0": false, "v0=" + mac[1:]: false,
		"v0=" + strings.ToUpper(mac): false, " v0=" + mac: false, "v0=" + mac + "\n": false, "": false,
	} {
		if got := IsWebhookSignature(signature); got != want {
			t.Errorf("%q: %t", signature, got)
		}
	}
}

func TestWebhookTime(t *testing.T) {
	for _, good := range []string{"1", "253402300799"} {
		if _, ok := WebhookTime(good); !ok {
			t.Errorf("%s is refused", good)
		}
	}
	if got, ok := WebhookTime("1739923528"); !ok || !got.Equal(time.Unix(1739923528, 0)) {
		t.Errorf("got %v, %v", got, ok)
	}
	for _, bad := range []string{"", "-1", "0", "soon", "1.5", "99999999999999999999", "253402300800"} {
		if got, ok := WebhookTime(bad); ok {
			t.Errorf("%q gave %v", bad, got)
		}
	}
}

func TestParseWebhook(t *testing.T) {
	at := time.UnixMilli(1739923528255)
	for name, test := range map[string]struct {
		body string
		want Webhook // no event: an error
	}{
		"validation": {
			`{"event":"endpoint.url_validation","payload":{"plainToken":"abc"},"event_ts":1739923528255}`,
			Webhook{Event: EventURLValidation, EventTS: at, PlainToken: "abc"},
		},
		"deauthorized": {
			`{"event":"app_deauthorized","event_ts":"1739923528255","payload":{"account_id":"a","user_id":"u","client_id":"c","signature":"s"}}`,
			Webhook{Event: EventDeauthorized, EventTS: at, UserID: "u", AccountID: "a", ClientID: "c"},
		},
		"bad fields": {
			`{"event":"x","event_ts":"soon","payload":{"user_id":"a\nb","account_id":7,"client_id":"a b","plainToken":"v0:1:x"}}`,
			Webhook{Event: "x", strange: true},
		},
		"deactivated": {
			`{"event":"user.deactivated","event_ts":1739923528255,"payload":{"account_id":"a","operator_id":"o","user_id":"o","object":{"id":"u","email":"u@example.com"}}}`,
			Webhook{Event: EventUserDeactivated, EventTS: at, UserID: "u", AccountID: "a"},
		},
		"deleted":                 {`{"event":"user.deleted","payload":{"object":{"id":"u"}}}`, Webhook{Event: EventUserDeleted, UserID: "u"}},
		"deleted, nobody":         {`{"event":"user.deleted","payload":{"user_id":"u"}}`, Webhook{Event: EventUserDeleted}},
		"deleted, a bad id":       {`{"event":"user.deleted","payload":{"object":{"id":["u"]}}}`, Webhook{Event: EventUserDeleted}},
		"deleted, bad object":     {`{"event":"user.deleted","payload":{"object":"u"}}`, Webhook{Event: EventUserDeleted}},
		"another event":           {`{"event":"recording.completed","payload":{"account_id":"a","object":{"id":7}}}`, Webhook{Event: "recording.completed", AccountID: "a"}},
		"a null client id":        {`{"event":"x","payload":{"client_id":null}}`, Webhook{Event: "x"}},
		"payload of another type": {`{"event":"x","payload":[1]}`, Webhook{Event: "x"}},
		"no payload":              {`{"event":"x"}`, Webhook{Event: "x"}},
		"no event":                {`{"payload":{}}`, Webhook{}},
		"event with line break":   {`{"event":"a\nb"}`, Webhook{}},
		"a long event":            {`{"event":"` + strings.Repeat("a", 128) + `"}`, Webhook{Event: strings.Repeat("a", 128)}},
		"giant event":             {`{"event":"` + strings.Repeat("a", 129) + `"}`, Webhook{}},
		"null":                    {`null`, Webhook{}},
		"not JSON":                {`event=x`, Webhook{}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ParseWebhook([]byte(test.body))
			if got != test.want || (err == nil) != (test.want.Event != "") {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}

func TestWebhookConcerns(t *testing.T) {
	for name, test := range map[string]struct {
		payload string
		want    bool
	}{
		"our id":             {`{"client_id":"a"}`, true},
		"a further id":       {`{"client_id":"b"}`, true},
		"another app's":      {`{"client_id":"c"}`, false},
		"other case":         {`{"client_id":"A"}`, false},
		"none":               {`{}`, true},
		"null":               {`{"client_id":null}`, true},
		"no payload":         {`null`, true},
		"empty":              {`{"client_id":""}`, true},
		"what cannot be one": {`{"client_id":"a b"}`, false},
		"a number":           {`{"client_id":1}`, false},
		"a list with ours":   {`{"client_id":["a"]}`, false},
	} {
		t.Run(name, func(t *testing.T) {
			event, err := ParseWebhook([]byte(`{"event":"x","payload":` + test.payload + `}`))
			if err != nil || event.Concerns("a", "b") != test.want {
				t.Errorf("got %+v, %v", event, err)
			}
		})
	}
}
