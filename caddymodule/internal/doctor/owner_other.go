//go:build !unix

package doctor

import (
	"io/fs"
	"os"
	"os/user"
)

// ownerOf is not known on systems whose files have no single owner id.
func ownerOf(fs.FileInfo) (uid int, known bool) { return 0, false }

// osUser is who this process runs as.
func osUser() string {
	if current, err := user.Current(); err == nil {
		return current.Username
	}
	return userName(os.Geteuid())
}
