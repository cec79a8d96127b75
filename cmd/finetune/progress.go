package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/spagotune/spagotune/finetune"
)

// progress is a bar in the last line of a terminal. What is written to it appears above the bar.
type progress struct {
	mu  sync.Mutex
	w   io.Writer
	bar *progressbar.ProgressBar // nil before the first step and after the last

	shown time.Time // when the bar was last drawn
}

// redraw is how often the bar is drawn at most.
const redraw = 100 * time.Millisecond

// update shows a step.
func (p *progress) update(s finetune.Progress) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bar == nil {
		p.bar = progressbar.NewOptions(s.Steps, progressbar.OptionSetWriter(p.w), progressbar.OptionSetWidth(barWidth(p.w)),
			progressbar.OptionSetPredictTime(false), progressbar.OptionShowCount(), progressbar.OptionClearOnFinish(), progressbar.OptionSetElapsedTime(false))
	}
	if time.Since(p.shown) < redraw && s.Step < s.Steps {
		return
	}
	p.shown = time.Now()
	p.bar.Describe(fmt.Sprintf("loss %.4f  lr %.1e  %.0f tokens/s  ETA %s", s.Loss, s.LearningRate, s.TokensPerSecond, s.Remaining.Round(time.Second)))
	_ = p.bar.Set(s.Step)
}

// Write writes whole lines above the bar.
func (p *progress) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bar == nil {
		return p.w.Write(b)
	}
	if err := p.bar.Clear(); err != nil {
		return 0, err
	}
	n, err := p.w.Write(b)
	if err == nil && !p.bar.IsFinished() {
		err = p.bar.RenderBlank()
	}
	return n, err
}

// done clears the bar.
func (p *progress) done() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bar != nil {
		_ = p.bar.Finish()
		p.bar = nil
	}
}

// barWidth is the width of the bar itself.
func barWidth(w io.Writer) int {
	if f, ok := w.(*os.File); ok {
		if cols, _, err := term.GetSize(int(f.Fd())); err == nil && cols < 110 {
			return 10
		}
	}
	return 30
}

// withoutSteps drops the lines about single steps, which the bar shows.
func withoutSteps(e *zerolog.Event, _ zerolog.Level, message string) {
	if message == finetune.StepMessage {
		e.Discard()
	}
}

// fiveDigits writes a fraction with five significant digits.
func fiveDigits(v any) string {
	n, ok := v.(json.Number)
	if !ok || !strings.ContainsAny(n.String(), ".eE") {
		return fmt.Sprint(v)
	}
	f, err := n.Float64()
	if err != nil {
		return n.String()
	}
	return strconv.FormatFloat(f, 'g', 5, 64)
}

// logger logs to w, in colour if stderr is a terminal. People read five digits of a number, programs all of them.
func logger(w, stderr io.Writer, format string) zerolog.Logger {
	if format == "json" {
		return zerolog.New(w).With().Timestamp().Logger()
	}
	plain := !isTerminal(stderr) || os.Getenv("NO_COLOR") != ""
	return zerolog.New(zerolog.ConsoleWriter{Out: w, NoColor: plain, TimeFormat: "15:04:05", FormatFieldValue: fiveDigits, FormatPrepare: printableMessage}).With().Timestamp().Logger()
}
