package telemetry

import (
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyevents"
	"go.uber.org/zap"
)

// EventQueue emits events of the directive, one after the other: their handlers run
// programs and call hooks, for which no visitor should wait.
type EventQueue struct {
	ctx    caddy.Context
	app    *caddyevents.App
	logger *zap.Logger

	mu     sync.Mutex
	events chan emission // nil after close
	done   chan struct{}
}

type emission struct {
	name string
	data map[string]any
}

// maxQueuedEvents bounds how far handlers may fall behind.
const maxQueuedEvents = 1024

// NewEventQueue returns a queue that emits nothing before it is started.
func NewEventQueue(ctx caddy.Context, app *caddyevents.App, logger *zap.Logger) *EventQueue {
	return &EventQueue{
		ctx: ctx, app: app, logger: logger,
		events: make(chan emission, maxQueuedEvents), done: make(chan struct{}),
	}
}

// Start begins to emit.
func (q *EventQueue) Start() {
	go func(events <-chan emission) {
		defer close(q.done)
		for e := range events {
			q.app.Emit(q.ctx, e.name, e.data)
		}
	}(q.events)
}

// Emit queues an event. It never waits. It reports false if the queue was
// closed.
func (q *EventQueue) Emit(name string, data map[string]any) bool {
	name = "zoom_pkce." + name
	if !q.app.ShouldEmit(name) {
		return true
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.events == nil {
		return false
	}
	select {
	case q.events <- emission{name, data}:
	default:
		q.logger.Warn("dropped an event: its handlers are too slow", zap.String("event", name))
	}
	return true
}

// eventPatience is how long a stopping server waits for event handlers.
const eventPatience = 5 * time.Second

// Close emits what is queued, as far as the handlers are in time.
func (q *EventQueue) Close() {
	q.mu.Lock()
	events := q.events
	q.events = nil
	q.mu.Unlock()
	if events != nil {
		close(events)
	}
	select {
	case <-q.done:
	case <-time.After(eventPatience):
		q.logger.Warn("event handlers were still running when the server stopped")
	}
}
