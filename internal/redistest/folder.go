package redistest

import (
	"os"
	"path/filepath"
	"strconv"
	"sync"
)

// A test process has one folder, with a folder for each of its servers and a file that it holds a lock on as long as it lives.
// The kernel lets go of the lock when the process ends, however it ends: a folder whose lock can be had belongs to nobody. (A
// pid would not do: it is used again, and means another process in each container that shares the folder.)
const (
	folderPattern = "larder-rt-*"
	lockName      = "lock"
)

var folders struct {
	mu      sync.Mutex
	path    string
	lock    *os.File // nil where there are no locks: then nothing is ever swept
	servers int      // that have a folder
	made    int
	swept   bool
}

// newFolder makes the folder of a server; the first of a process removes what killed processes left behind.
func newFolder() (string, error) {
	folders.mu.Lock()
	defer folders.mu.Unlock()
	root := tempRoot()
	if !folders.swept {
		folders.swept = true
		sweep(root)
	}
	if folders.servers == 0 {
		path, err := os.MkdirTemp(root, folderPattern)
		if err != nil {
			return "", err
		}
		lock, err := newLock(filepath.Join(path, lockName))
		if err != nil {
			_ = os.RemoveAll(path)
			return "", err
		}
		folders.path, folders.lock = path, lock
	}
	folders.made++
	dir := filepath.Join(folders.path, strconv.Itoa(folders.made))
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", err
	}
	folders.servers++
	return dir, nil
}

// removeFolder removes the folder of a server, and with the last of them that of the process.
func removeFolder(dir string) {
	folders.mu.Lock()
	defer folders.mu.Unlock()
	_ = os.RemoveAll(dir)
	if folders.servers--; folders.servers > 0 {
		return
	}
	_ = os.RemoveAll(folders.path)
	if folders.lock != nil {
		_ = folders.lock.Close()
	}
}

// tempRoot is where the folders are: a socket's path has at most 103 bytes, and TMPDIR may be long.
func tempRoot() string {
	if root := os.TempDir(); len(root) <= 60 {
		return root
	}
	return "/tmp"
}

// newLock makes a locked file. It has its name only once it is locked, so that nobody finds it without.
func newLock(path string) (*os.File, error) {
	f, err := os.OpenFile(path+".new", os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if !tryLock(f) {
		return nil, f.Close() // no locks here: without the file its folder is left alone by all
	}
	if err := os.Rename(path+".new", path); err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

// sweep removes the folders of processes that are gone.
func sweep(root string) {
	all, err := filepath.Glob(filepath.Join(root, folderPattern))
	if err != nil {
		return
	}
	for _, path := range all {
		sweepOne(path)
	}
}

func sweepOne(path string) {
	if info, err := os.Lstat(path); err != nil || !info.IsDir() {
		return
	}
	name := filepath.Join(path, lockName)
	lock, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return // not made yet, another user's, or of a system without locks
	}
	defer func() { _ = lock.Close() }()
	if !tryLock(lock) {
		return // its process lives, or another one sweeps
	}
	// Another sweeper may have been here in between: what is locked must be what is there.
	locked, err := lock.Stat()
	if err != nil {
		return
	}
	if there, err := os.Lstat(name); err != nil || !os.SameFile(locked, there) {
		return
	}
	// The lock goes last: one who is killed meanwhile leaves a folder that the next can sweep.
	entries, err := os.ReadDir(path)
	if err != nil {
		return
	}
	for _, e := range entries {
		if e.Name() != lockName {
			_ = os.RemoveAll(filepath.Join(path, e.Name()))
		}
	}
	_ = os.RemoveAll(path)
}
