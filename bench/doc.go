// Package bench compares Larder with others, side by side. It is a module of its
// own, so that nobody who uses Larder links its rivals.
//
//	go test -bench Set -benchtime 60x ./bulk
//	go test -bench Submit -benchtime 60x ./board
package bench
