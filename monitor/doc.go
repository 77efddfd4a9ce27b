// Package monitor watches Redis from inside a service.
package monitor
