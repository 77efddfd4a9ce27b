package leaderboard
import (_ "go.uber.org/goleak"; _ "golang.org/x/sync/errgroup"; _ "github.com/alicebob/miniredis/v2")
