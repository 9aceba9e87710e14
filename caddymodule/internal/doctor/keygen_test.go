package doctor

import (
	"bytes"
	"testing"
	"testing/cryptotest"
)

func TestKeygenNeverMakesWhatTheDoctorRefuses(t *testing.T) {
	// A sequence of random numbers whose 66th secret contains "your-".
	const seed, spelled = 9355, 66
	refused := false
	t.Run("random text", func(t *testing.T) {
		cryptotest.SetGlobalRandom(t, seed)
		for range spelled {
			refused = refused || weakness([]byte(randomText())) != ""
		}
	})
	if !refused {
		t.Fatal("the seed makes nothing that the doctor refuses: look for another one")
	}
	cryptotest.SetGlobalRandom(t, seed)
	for range spelled {
		var out bytes.Buffer
		if err := keygen(&out); err != nil {
			t.Fatal(err)
		}
		if reason := weakness(bytes.TrimSpace(out.Bytes())); reason != "" {
			t.Fatalf("%s %s", out.String(), reason)
		}
	}
}
