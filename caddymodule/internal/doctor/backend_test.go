package doctor_test

import (
	"os"
	"strings"
	"testing"
)

func TestDoctorOnBackEnds(t *testing.T) {
	const good = "kT9vLw2Zq7RbX4mNc8Jd5HfYs3Gp6AuE"
	for _, tt := range []struct {
		name, secret, before string
		status, message      string
	}{
		{"as it should be", good, "", "", ""},
		{"a secret that repeats itself", strings.Repeat("kT9vLw2Zq7RbX4mN", 3), "", "fail", "backend secret number 1 repeats itself"},
		{"the client secret", testClientSecret, "", "fail", "backend secret number 1"},
		{"the cookie secret", doctorSecret, "", "fail", "backend secret number 1 is a cookie secret, too"},
		{"behind basic_auth", good, "basic_auth {\n%s\n}\n", "warn", "basic_auth"},
		{"behind basic_auth elsewhere", good, "basic_auth /admin/* {\n%s\n}\n", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPatient(t)
			t.Setenv("DOCTOR_BACKEND_SECRET", tt.secret)
			p.options["backend"] = "{\nsecret {env.DOCTOR_BACKEND_SECRET}\n}"
			file, err := os.ReadFile(p.write(t))
			if err != nil {
				t.Fatal(err)
			}
			const account = "ann $2a$14$Zkx19XLiW6VYouLHR5NmfOFU0z2GTNmpkT/5qqR7hx4IjWJPDhjvG"
			before := strings.Replace(tt.before, "%s", account, 1)
			p.file = strings.Replace(string(file), "http://127.0.0.1:8080 {\n", "http://127.0.0.1:8080 {\n"+before, 1)
			found, healthy := p.examine(t)
			if healthy != (tt.status != "fail") {
				t.Errorf("healthy: %v", healthy)
			}
			var told []finding
			for _, f := range found["secrets"] {
				if f.Status != "ok" {
					told = append(told, f)
				}
			}
			if tt.status == "" {
				if len(told) > 0 {
					t.Errorf("found %+v", told)
				}
				return
			}
			if len(told) != 1 || told[0].Status != tt.status || !strings.Contains(told[0].Message, tt.message) || told[0].Advice == "" {
				t.Errorf("found %+v", told)
			}
		})
	}
}
