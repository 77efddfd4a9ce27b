package snapshot

import "errors"

var (
	// ErrCorrupt says that a file is damaged, cut off, or no snapshot at all. Nothing was written. Take another file,
	// or RestoreOptions.Salvage.
	ErrCorrupt = errors.New("snapshot: file is damaged or cut off")
	// ErrIncomplete says that the dump that wrote the file could not read everything. Nothing was written. Take another
	// file, or RestoreOptions.Salvage.
	ErrIncomplete = errors.New("snapshot: the snapshot is marked as incomplete")
	// ErrVersion says that the file's format is newer than this package: update the module.
	ErrVersion = errors.New("snapshot: the file's format is newer than this version of the module reads")
	// ErrPartial says that a dump could not read everything, and which node or key it was.
	ErrPartial = errors.New("snapshot: not everything could be read")
	// ErrClient says that a client cannot be used: nil, or one that hides the nodes of a cluster.
	ErrClient = errors.New("snapshot: client cannot be used")
	// ErrFieldExpiry says that a hash has fields that expire, and that the server does not know such fields.
	ErrFieldExpiry = errors.New("snapshot: the server has no expiry of hash fields")
)

// KeyError is a key that could not be dumped or restored, and why.
type KeyError struct {
	Key string
	Err error
}

// Error names the key, shortened, and the cause.
func (f KeyError) Error() string { return "snapshot: key " + quote(f.Key) + ": " + f.Err.Error() }

// Unwrap returns the cause.
func (f KeyError) Unwrap() error { return f.Err }
