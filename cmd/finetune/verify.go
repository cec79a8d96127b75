package main

import (
	"fmt"
	"math"
	"os/signal"

	"github.com/spagotune/spagotune/verify"
)

// verifyCmd is the verb verify.
type verifyCmd struct {
	Model     string  `hub:"model" placeholder:"NAME" help:"Hugging Face folder, GGUF file, name on the Hub (org/name[@revision]), or \"embedded\". Without it, the base that the adapter names."`
	Adapter   string  `hub:"adapter" placeholder:"NAME" help:"Folder of an adapter, or its name on the Hub."`
	Reference string  `required:"" placeholder:"FILE" help:"safetensors file with input_ids and what to compare: logits, loss (needs labels), grad.PARAMETER."`
	Tolerance float64 `default:"1e-3" placeholder:"T" help:"Maximum difference: absolute for logits and loss, for gradients relative to the largest value of the tensor. Default ${default}."`
	JSON      bool    `name:"json" help:"Print JSON."`
	threadsFlag
}

// Help returns notes and examples for --help.
func (verifyCmd) Help() string {
	return `Exits with 1 if a difference exceeds the tolerance or nothing could be compared. What the file lacks is skipped. Rows must be
padded on the right; logits are compared where attention_mask is 1.

Examples:
  finetune verify --model smollm2 --reference reference.safetensors
  finetune verify --model smollm2 --adapter run --reference reference.safetensors --tolerance 1e-4

To write a reference with Python:
  out = model(input_ids=ids, attention_mask=mask, labels=labels); out.loss.backward()
  save_file({"input_ids": ids, "attention_mask": mask, "labels": labels, "loss": out.loss.detach().reshape(1),
    "logits": out.logits.detach(), **{"grad." + n: p.grad for n, p in model.named_parameters() if p.grad is not None}},
    "reference.safetensors")`
}

// Validate asks for a model.
func (c *verifyCmd) Validate() error { return needsModel(c.Model, c.Adapter) }

// Run prints the report. It fails if a difference exceeds the tolerance.
func (c *verifyCmd) Run(g *globals) error {
	signal.Reset() // there is nothing to clean up: Ctrl-C ends it at once
	if math.IsNaN(c.Tolerance) || c.Tolerance < 0 {
		return fmt.Errorf("--tolerance is %g; want 0 or more", c.Tolerance)
	}
	s, err := c.open(g, c.Model, c.Adapter)
	if err != nil {
		return err
	}
	defer func() { _ = s.Close() }()
	report, err := verify.Against(g.Ctx, s.Model, s.Adapter, c.Reference)
	if err != nil {
		return err
	}
	worst, bad := report.Beyond(c.Tolerance)
	if c.JSON {
		err = g.print(map[string]any{"ok": bad == 0, "tolerance": c.Tolerance, "comparisons": report})
	} else {
		c.text(g, report)
	}
	if err == nil && bad > 0 {
		err = fmt.Errorf("verify: %d of %d differ by more than %g; the worst is %s with %.3g", bad, len(report), c.Tolerance, worst.Name, worst.Difference)
	}
	return err
}

// text prints the report for people: a line for each kind of comparison.
func (c *verifyCmd) text(g *globals, report verify.Report) {
	for _, kind := range []string{"logits", "loss", "grad."} {
		worst, n := report.Worst(kind)
		switch {
		case n == 0:
			g.printf("%-9s  not in the file\n", kind)
		case kind == "grad.":
			g.printf("gradients  %.3g relative, the largest of %d: %s\n", worst.Difference, n, worst.Name)
		default:
			g.printf("%-9s  %.3g absolute, the largest of %d values\n", kind, worst.Difference, worst.Values)
		}
	}
	if _, bad := report.Beyond(c.Tolerance); bad == 0 {
		g.printf("all within %g\n", c.Tolerance)
	}
}
