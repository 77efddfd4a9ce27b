package monitor

import (
	"context"
	"errors"
)

// Notifier is told of alerts.
type Notifier interface {
	Notify(ctx context.Context, alerts []Alert) error
}

func checkNotifier(n Notifier) error {
	if n == nil {
		return errors.New("is nil")
	}
	return nil
}
