package tasks

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/spagotune/spagotune/tasks/data"
)

// textKinds are records whose text is known to be elsewhere than in "text": the fields that tell them, and those that
// hold it. They are PubMedQA's, MedQuAD's, TAT-QA's and CoNLL's.
var textKinds = []struct {
	needs, text []string
	between     string
}{
	{[]string{"CONTEXTS", "LONG_ANSWER"}, []string{"CONTEXTS", "LONG_ANSWER"}, "\n"},
	{[]string{"question", "answer", "qtype"}, []string{"answer"}, "\n"},
	{[]string{"paragraphs", "table"}, []string{"paragraphs.text"}, "\n"},
	{[]string{"tokens", "tags"}, []string{"tokens"}, " "},
}

// fields are the fields that hold the text of a file's records, and what goes between them.
func (t *Text) fields(s data.Source, head data.Object) (names []string, between string) {
	names, between = t.Field, "\n"
	if s.Field != nil {
		names = s.Field
	}
	if len(names) != 1 || names[0] != "text" || head["text"] != nil {
		return names, between
	}
	for _, k := range textKinds {
		if head.Has(k.needs...) {
			return k.text, k.between
		}
	}
	return names, between
}

// readRecords is a file's part, a document a record; each ends in the end-of-sequence token, where there is one.
func (t *Text) readRecords(s data.Source, held holding) ([]Example, error) {
	records, err := data.ReadSource(s, data.ReadAny)
	if err != nil {
		return nil, err
	}
	from, to := t.part(held).of(len(records))
	if s.EvalSize != nil && held != all {
		n := len(records) - *s.EvalSize
		if n < 0 {
			return nil, fmt.Errorf("option eval_size of %s is %d, but there are %d records", s.Path, *s.EvalSize, len(records))
		}
		if from, to = 0, n; held == heldOut {
			from, to = n, len(records)
		}
	}
	var documents []Example
	for _, r := range records[from:to] {
		text, err := t.join(s, r)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", r.Source(), err)
		}
		documents = append(documents, Example{Segments: []Segment{{Text: t.ended(text), Scored: true, EOS: true}}, Source: r.Source()})
	}
	return documents, nil
}

// join is the text of a record.
func (t *Text) join(s data.Source, r data.Record) (string, error) {
	head, err := data.ParseObject(r.Head)
	if err != nil {
		return "", err
	}
	o, err := data.ParseObject(r.Raw)
	if err != nil {
		return "", err
	}
	names, between := t.fields(s, head)
	var parts []string
	for _, name := range names {
		texts, err := o.Texts(name)
		if err != nil {
			return "", err
		}
		parts = append(parts, texts...)
	}
	return strings.Join(parts, between), nil
}

// plain is a part of a plain text as one document.
func (t *Text) plain(file, text string, p part) []Example {
	from, to := p.of(len(text))
	from, to = runeStart(text, from), runeStart(text, to)
	if strings.TrimSpace(text[from:to]) == "" {
		return nil
	}
	where := fmt.Sprintf("%s:%d", file, 1+strings.Count(text[:from], "\n"))
	return []Example{{Segments: []Segment{{Text: t.ended(text[from:to]), Scored: true}}, Source: where}}
}

// runeStart goes back to where the character at i begins.
func runeStart(text string, i int) int {
	for i > 0 && i < len(text) && !utf8.RuneStart(text[i]) {
		i--
	}
	return i
}

// ended ends a document that others follow with a line end.
func (t *Text) ended(s string) string {
	if t.Pack && !strings.HasSuffix(s, "\n") {
		return s + "\n"
	}
	return s
}
