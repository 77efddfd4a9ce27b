// Package demo is what the example programs share: their flags, their Redis, their colours and their end.
package demo
