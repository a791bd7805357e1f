package runner

import (
	"context"
	"fmt"

	"github.com/tallystick/tallystick/core/abi"
)

// CoreSource is the leg "go": the core called directly, in this process.
func CoreSource() Source {
	return Source{Name: "go", Open: func(context.Context) (Leg, error) {
		return InProcess(abi.New().Call), nil
	}}
}

// InProcess makes a leg of a function with the core's own signature.
func InProcess(call func(op string, request, body []byte) []byte) Leg {
	return inProcess(call)
}

type inProcess func(op string, request, body []byte) []byte

func (f inProcess) Call(ctx context.Context, call Call) ([]byte, error) {
	answered := make(chan []byte, 1)
	go func() { answered <- f(call.Op, call.Request, call.Body) }()
	select {
	case answer := <-answered:
		return answer, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %s", ErrTimeout, call.Op)
	}
}

func (f inProcess) Close() error { return nil }
