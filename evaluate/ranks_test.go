package evaluate

import (
	"reflect"
	"sync"
	"testing"

	"github.com/spagotune/spagotune/tasks"
)

// meeting is ranks that are goroutines, which gather once.
type meeting struct {
	size  int
	all   sync.WaitGroup
	parts [][]byte
	errs  []error
}

type member struct {
	*meeting
	rank int
}

func (m member) Rank() int { return m.rank }
func (m member) Size() int { return m.size }

func (m member) Gather(send []byte, err error) ([][]byte, error) {
	m.parts[m.rank], m.errs[m.rank] = send, err
	m.all.Done()
	m.all.Wait()
	for _, err := range m.errs {
		if err != nil {
			return nil, err
		}
	}
	return m.parts, nil
}

// Every number of ranks gives the metrics and the answers of one process, whole chunks or not.
func TestScoreOn(t *testing.T) {
	s, _ := byteSession(t)
	task, err := tasks.New("memory", map[string]any{"pairs": 3*GenerateBatch + 5})
	if err != nil {
		t.Fatal(err)
	}
	named := NamedTask{Task: task}
	metrics, answers, err := Score(t.Context(), s, named, tasks.Eval, 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{1, 2, 3, 5} {
		m := &meeting{size: size, parts: make([][]byte, size), errs: make([]error, size)}
		m.all.Add(size)
		var wait sync.WaitGroup
		for rank := range size {
			wait.Go(func() {
				gotMetrics, gotAnswers, err := ScoreOn(t.Context(), member{m, rank}, s, named, tasks.Eval, 0)
				if err != nil || !reflect.DeepEqual(gotMetrics, metrics) || !reflect.DeepEqual(gotAnswers, answers) {
					t.Errorf("rank %d of %d: %v, or other metrics (%v, want %v) or answers", rank, size, err, gotMetrics, metrics)
				}
			})
		}
		wait.Wait()
	}
}

// An error on one rank is every rank's.
func TestScoreOnFails(t *testing.T) {
	s, _ := byteSession(t)
	task, err := tasks.New("memory", map[string]any{"pairs": 2 * GenerateBatch})
	if err != nil {
		t.Fatal(err)
	}
	m := &meeting{size: 2, parts: make([][]byte, 2), errs: make([]error, 2)}
	m.all.Add(2)
	var wait sync.WaitGroup
	for rank := range 2 {
		wait.Go(func() {
			named := NamedTask{Task: task}
			if rank == 1 {
				named.Task = noExamples{task}
			}
			if _, _, err := ScoreOn(t.Context(), member{m, rank}, s, named, tasks.Eval, 0); err == nil {
				t.Errorf("rank %d: no error", rank)
			}
		})
	}
	wait.Wait()
}

// noExamples is a task without answers to score.
type noExamples struct{ tasks.Task }
