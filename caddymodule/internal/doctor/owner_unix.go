//go:build unix

package doctor

import (
	"io/fs"
	"os"
	"syscall"
)

// ownerOf is the id of the user that a file belongs to.
func ownerOf(info fs.FileInfo) (uid int, known bool) {
	return int(info.Sys().(*syscall.Stat_t).Uid), true
}

// osUser is who this process runs as.
func osUser() string { return userName(os.Geteuid()) }
