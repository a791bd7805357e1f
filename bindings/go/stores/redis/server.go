package redis

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tallystick/tallystick/bindings/go/stores/internal/base"
)

// lossKept is for how long a loss is told to stores that connect later.
const lossKept = 24 * time.Hour

// server is the server behind a name. Each new connection looks at it before its first claim.
type server struct {
	lostKey string
	notice  func(string)
	now     func() time.Time

	mutex  sync.Mutex
	runID  string
	lostAt int64 // in seconds since 1970, rounded up; 0: never
}

// isCurrent tells whether a connection with this run id leads to the server of now.
func (s *server) isCurrent(runID string) bool {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return runID == s.runID
}

func (s *server) lost() int64 {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.lostAt
}

// answers are what a new connection asks.
type answers struct {
	info                 *redis.Cmd
	policy, save, append *redis.Cmd
	clock                *redis.TimeCmd
	lost                 *redis.StringCmd
}

// inspect returns the server's run id, or why claims must not be made there.
func (s *server) inspect(ctx context.Context, connection *redis.Conn) (string, error) {
	var got answers
	// Each answer has an error of its own.
	_, failed := connection.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		got = answers{
			pipe.Do(ctx, "INFO"), pipe.Do(ctx, "CONFIG", "GET", "maxmemory-policy"),
			pipe.Do(ctx, "CONFIG", "GET", "save"), pipe.Do(ctx, "CONFIG", "GET", "appendonly"),
			pipe.Time(ctx), pipe.Get(ctx, s.lostKey),
		}
		return nil
	})
	var answered redis.Error
	if failed != nil && !errors.As(failed, &answered) {
		return "", failed
	}
	runID, note, err := s.judge(got)
	if err != nil || note == 0 {
		return runID, err
	}
	// Others are told of a loss.
	return runID, connection.Set(ctx, s.lostKey, note, lossKept).Err()
}

func (s *server) judge(got answers) (runID string, note int64, err error) {
	info, err := permitted(got.info)
	if err != nil {
		return "", 0, err
	}
	facts := s.facts(info)
	if err := refuseKind(facts); err != nil {
		return "", 0, err
	}
	clock, err := got.clock.Result()
	if err != nil {
		return "", 0, err
	}
	told, err := s.told(got.lost)
	if err != nil {
		return "", 0, err
	}
	if err := s.refuseEviction(got.policy, facts["maxmemory_policy"]); err != nil {
		return "", 0, err
	}
	if err := s.noticePersistence(got.save, got.append); err != nil {
		return "", 0, err
	}
	if err := base.RefuseClock(clock, s.now()); err != nil {
		return "", 0, err
	}
	runID, note = s.recognise(facts["run_id"], told)
	return runID, note, nil
}

// permitted returns an answer; nil if this user may not ask, or the service has no such command.
func permitted(answer *redis.Cmd) (any, error) {
	found, err := answer.Result()
	if err == nil || errors.Is(err, redis.Nil) {
		return found, nil
	}
	said := err.Error()
	if strings.Contains(said, "no permissions") || strings.Contains(strings.ToLower(said), "unknown command") {
		return nil, nil
	}
	return nil, err
}

func (s *server) facts(info any) map[string]string {
	text, ok := info.(string)
	if !ok {
		s.notice("a restart that loses used tokens cannot be noticed, as INFO is forbidden: allow this user INFO")
	}
	facts := map[string]string{}
	for line := range strings.Lines(text) {
		if name, value, found := strings.Cut(strings.TrimRight(line, "\r\n"), ":"); found {
			facts[name] = value
		}
	}
	return facts
}

func refuseKind(facts map[string]string) error {
	mode := facts["redis_mode"]
	if mode == "" {
		mode = facts["server_mode"] // as Valkey calls it
	}
	if mode != "" && mode != "standalone" {
		return &base.Refused{What: "it runs in " + mode + " mode",
			Fix: "name a server that is alone: clusters are not supported"}
	}
	if role := facts["role"]; role != "" && role != "master" {
		return &base.Refused{What: "the server is a replica",
			Fix: "name the primary: what a replica holds may be late"}
	}
	return nil
}

// setting returns the value in an answer to CONFIG GET, and whether it was told.
func setting(answer *redis.Cmd) (value string, told bool, err error) {
	found, err := permitted(answer)
	if pair, ok := found.([]any); ok && len(pair) == 2 {
		value, told = pair[1].(string)
	}
	return value, told, err
}

func (s *server) refuseEviction(answer *redis.Cmd, fact string) error {
	policy, told, err := setting(answer)
	if err != nil {
		return err
	}
	if !told {
		policy = fact
	}
	switch policy {
	case "noeviction":
		return nil
	case "":
		s.notice("CONFIG GET is forbidden: see that maxmemory-policy is noeviction, as a used token that is " +
			"evicted is free again")
		return nil
	}
	return &base.Refused{What: "the server may evict used tokens: its maxmemory-policy is " + policy,
		Fix: "set maxmemory-policy noeviction"}
}

func (s *server) noticePersistence(saved, appended *redis.Cmd) error {
	save, saveTold, err := setting(saved)
	if err != nil {
		return err
	}
	log, logTold, err := setting(appended)
	if err != nil {
		return err
	}
	if !saveTold || !logTold {
		s.notice("CONFIG GET is forbidden: see that the server keeps its data on disk")
	} else if save == "" && log == "no" {
		s.notice("the server keeps nothing on its disk: after its restart, tokens from before it are refused " +
			"for as long as they may be used")
	}
	return nil
}

// told returns the loss that another store has seen, in seconds since 1970.
func (s *server) told(answer *redis.StringCmd) (int64, error) {
	text, err := answer.Result()
	if errors.Is(err, redis.Nil) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	lost, err := strconv.ParseUint(text, 10, 63)
	if err != nil {
		return 0, &base.Refused{What: fmt.Sprintf("the key %s holds no time", s.lostKey), Fix: "delete that key"}
	}
	return int64(lost), nil
}

// recognise returns the run id, and the loss that others must be told of, or 0.
func (s *server) recognise(runID string, told int64) (string, int64) {
	now := int64(math.Ceil(float64(s.now().UnixNano()) / 1e9))
	s.mutex.Lock()
	defer s.mutex.Unlock()
	before := s.runID
	if runID != "" {
		s.runID = runID
	}
	// A time in the future would refuse all tokens until then.
	lost := max(s.lostAt, min(told, now))
	if before != "" && before != s.runID {
		lost = max(lost, now)
	}
	s.lostAt = lost
	if lost <= max(told, now-int64(lossKept/time.Second)) {
		return s.runID, 0
	}
	return s.runID, lost
}
