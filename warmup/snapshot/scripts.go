package snapshot

import (
	_ "embed"

	"github.com/redis/go-redis/v9"
)

var (
	//go:embed lua/hash.lua
	hashScript string
	//go:embed lua/restore.lua
	restoreSource string
	//go:embed lua/finish.lua
	finishSource string
	//go:embed lua/stream.lua
	streamSource string

	restoreScript = redis.NewScript(restoreSource)
	finishScript  = redis.NewScript(finishSource)
	streamScript  = redis.NewScript(streamSource)
)

// noFieldExpiry begins the error of the scripts where a server knows no expiry of hash fields.
const noFieldExpiry = "NOFIELDEXPIRY"
