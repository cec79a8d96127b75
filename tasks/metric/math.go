package metric

import (
	"math"
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"unicode"
)

// metamathNumber is MetaMath's pattern of a number: a sign, and at most one separator among the digits. Python's \d is
// any decimal digit of Unicode.
var metamathNumber = regexp.MustCompile(`[-+]?\p{Nd}*[.,/]?\p{Nd}+`)

// MetaMathEqual is the rule of MetaMath's eval_gsm8k.py, with its oddities: the number of MetaMathAnswer equals the
// gold number.
func MetaMathEqual(completion, gold string) bool {
	got, ok := MetaMathAnswer(completion)
	want, err := strconv.ParseFloat(strings.ReplaceAll(gold, ",", ""), 64)
	return ok && err == nil && got == want
}

// MetaMathAnswer is the final answer that MetaMath's eval_gsm8k.py takes from a completion: the first number after the
// last AnswerMarker, with fractions divided and the result rounded half to even. It is false where there is no such
// number.
func MetaMathAnswer(completion string) (float64, bool) {
	i := strings.LastIndex(completion, AnswerMarker)
	if i < 0 {
		return 0, false
	}
	text := metamathNumber.FindString(completion[i+len(AnswerMarker):])
	if text == "" {
		return 0, false
	}
	text = strings.Map(asciiDigit, strings.ReplaceAll(text, ",", ""))
	v, ok := 0.0, false
	if over, under, fraction := strings.Cut(text, "/"); fraction {
		v, ok = divide(over, under)
	} else {
		var err error
		v, err = strconv.ParseFloat(text, 64)
		ok = err == nil
	}
	return math.RoundToEven(v), ok && !math.IsInf(v, 0)
}

// divide is over/under. As in MetaMath, a fraction over "0" is the numerator alone.
func divide(over, under string) (float64, bool) {
	a, ok := new(big.Int).SetString(over, 10)
	if !ok {
		return 0, false
	}
	b, ok := new(big.Int).SetString(under, 10)
	switch {
	case !ok:
		return 0, false
	case under == "0":
		b.SetInt64(1)
	case b.Sign() == 0:
		return 0, false // MetaMath's code raises an exception here
	}
	v, _ := new(big.Rat).SetFrac(a, b).Float64()
	return v, true
}

// asciiDigit maps the decimal digits of all scripts to 0–9.
func asciiDigit(r rune) rune {
	if r < 0x80 {
		return r
	}
	for _, t := range unicode.Nd.R16 {
		if rune(t.Lo) <= r && r <= rune(t.Hi) {
			return '0' + (r-rune(t.Lo))%10
		}
	}
	for _, t := range unicode.Nd.R32 {
		if rune(t.Lo) <= r && r <= rune(t.Hi) {
			return '0' + (r-rune(t.Lo))%10
		}
	}
	return r
}

// rawNumber is a number with its sign, which may stand before a dollar or a blank, and may be the minus of typography.
var rawNumber = regexp.MustCompile(`([-+−]?)\s*\$?\s*([-+−]?)([0-9][0-9,]*(?:\.[0-9]+)?|\.[0-9]+)`)

// RawAnswer is the first number after the last "####", as GSM8K marks it, without commas, dollars and blanks; "" where
// there is none.
func RawAnswer(completion string) string {
	i := strings.LastIndex(completion, "####")
	if i < 0 {
		return ""
	}
	m := rawNumber.FindStringSubmatch(strings.ReplaceAll(completion[i+4:], "{,}", ",")) // LaTeX's comma
	if m == nil {
		return ""
	}
	return strings.ReplaceAll(m[1]+m[2], "−", "-") + strings.ReplaceAll(m[3], ",", "")
}

// RawEqual reports whether the RawAnswer of a completion has the value of the gold number.
func RawEqual(completion, gold string) bool {
	got, ok1 := new(big.Rat).SetString(RawAnswer(completion))
	want, ok2 := new(big.Rat).SetString(strings.ReplaceAll(gold, ",", ""))
	return ok1 && ok2 && got.Cmp(want) == 0
}

// The two patterns that lm-evaluation-harness reads answers to GSM8K by (version 0.4.13), with its \s and \d.
var (
	strictAnswer   = regexp.MustCompile(`#### (-?[0-9.,]+)`)
	flexibleAnswer = regexp.MustCompile(`(-?[$0-9.,]{2,})|(-?[0-9]+)`)
)

// StrictMatch is the filter strict-match of lm-evaluation-harness for GSM8K: the first number after "#### " equals the
// gold answer as text, but for commas, dollars and a full stop at the end.
func StrictMatch(completion, gold string) bool {
	m := strictAnswer.FindStringSubmatch(completion)
	return m != nil && plainAnswer(m[1]) == plainAnswer(gold)
}

// FlexibleExtract is the filter flexible-extract of lm-evaluation-harness for GSM8K: what looks like a number last in the
// completion, wherever it stands, equals the gold answer as StrictMatch compares them.
func FlexibleExtract(completion, gold string) bool {
	all := flexibleAnswer.FindAllString(completion, -1)
	return len(all) > 0 && plainAnswer(all[len(all)-1]) == plainAnswer(gold)
}

// plainAnswer is an answer as lm-evaluation-harness compares it.
func plainAnswer(s string) string {
	s = strings.NewReplacer(",", "", "$", "").Replace(s)
	if i := strings.LastIndex(s, "#### "); i >= 0 {
		s = s[i+len("#### "):]
	}
	return strings.TrimSuffix(s, ".")
}
