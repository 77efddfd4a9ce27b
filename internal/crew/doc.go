// Package crew runs the goroutines of a call whose caller is to notice how they end. What runs in them is code of
// somebody else: hooks of a client, codecs. A panic there would end the process, where a caller without goroutines could
// recover from it; and a goroutine that is ended by it (runtime.Goexit, as a failed assertion of a test does) would be
// waited for in vain. Both become the caller's.
package crew
