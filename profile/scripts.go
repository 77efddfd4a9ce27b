package profile

import (
	_ "embed" // the scripts

	"github.com/larder-go/larder/internal/once"
)

var (
	//go:embed lua/lease.lua
	leaseLua string
	//go:embed lua/fill.lua
	fillLua string
	//go:embed lua/release.lua
	releaseLua string
	//go:embed lua/set.lua
	setLua string
	//go:embed lua/update.lua
	updateLua string
	//go:embed lua/increment.lua
	incrementLua string
	//go:embed lua/invalidate.lua
	invalidateLua string
	//go:embed lua/touch.lua
	touchLua string
	//go:embed lua/sliding.lua
	slidingLua string
	//go:embed lua/ttl.lua
	ttlLua string

	leaseScript      = once.NewScript(leaseLua)
	fillScript       = once.NewScript(fillLua)
	releaseScript    = once.NewScript(releaseLua)
	setScript        = once.NewScript(setLua)
	updateScript     = once.NewScript(updateLua)
	incrementScript  = once.NewScript(incrementLua)
	invalidateScript = once.NewScript(invalidateLua)
	touchScript      = once.NewScript(touchLua)
	slidingScript    = once.NewScript(slidingLua)
	ttlScript        = once.NewScript(ttlLua)
)
