package redisstore

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

func TestRedisStoreCaddyfile(t *testing.T) {
	for name, test := range map[string]struct{ input, want string }{
		"one URL": {
			input: `redis redis://127.0.0.1:6379`,
			want:  `{"urls":["redis://127.0.0.1:6379"]}`,
		},
		"everything": {
			input: `redis {env.REDIS_A} {env.REDIS_B} {
				username zoom
				password "{file./run/secrets/redis}"
				master_name main
				cluster on
				tls_ca /etc/ssl/redis.pem
			}`,
			want: `{"urls":["{env.REDIS_A}","{env.REDIS_B}"],"username":"zoom","password":"{file./run/secrets/redis}",` +
				`"master_name":"main","cluster":true,"tls_ca":"/etc/ssl/redis.pem"}`,
		},
		"cluster off": {
			input: "redis redis://a {\n cluster off\n}",
			want:  `{"urls":["redis://a"]}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			store := new(Store)
			if err := store.UnmarshalCaddyfile(caddyfile.NewTestDispenser(test.input)); err != nil {
				t.Fatal(err)
			}
			got, err := json.Marshal(store)
			if err != nil || string(got) != test.want {
				t.Errorf("got  %s, %v\nwant %s", got, err, test.want)
			}
		})
	}
}

func TestRedisStoreCaddyfileMistakes(t *testing.T) {
	for name, test := range map[string]struct{ input, err string }{
		"no URL":           {"redis", "wrong argument count for redis"},
		"unknown":          {"redis redis://a {\n pool_size 5\n}", "unrecognized redis store subdirective 'pool_size'"},
		"no user name":     {"redis redis://a {\n username\n}", "wrong argument count for username"},
		"no master":        {"redis redis://a {\n master_name\n}", "wrong argument count for master_name"},
		"no CA":            {"redis redis://a {\n tls_ca\n}", "wrong argument count for tls_ca"},
		"a split password": {"redis redis://a {\n password top hunter2\n}", "wrong argument count for password"},
		"twice":            {"redis redis://a {\n password hunter2\n password hunter2\n}", "password already specified"},
		"neither":          {"redis redis://a {\n cluster maybe\n}", "cluster takes on or off"},
	} {
		t.Run(name, func(t *testing.T) {
			err := new(Store).UnmarshalCaddyfile(caddyfile.NewTestDispenser(test.input))
			if err == nil || !strings.Contains(err.Error(), test.err) || !strings.Contains(err.Error(), "Testfile:") {
				t.Fatalf("got %v, want %q with file and line", err, test.err)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error tells a secret: %v", err)
			}
		})
	}
}
