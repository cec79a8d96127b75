package adapter

import (
	"fmt"
	"slices"

	"github.com/spagotune/spagotune/model"
)

var (
	_ TargetPreparer = (*MoRA)(nil)
	_ Noter          = (*MoRA)(nil)
)

// autoShare is up to which r̂/min(in, out) Auto is Rotation. In the paper's 4096×4096 layers the share is 1/16 at r 8, for
// which it takes Rotation, and 0.35 at r 256, for which it takes Sharing.
const autoShare = 0.25

// prepare makes Rotation of Auto where the median over the layers of r̂/min(in, out) is at most autoShare, and Sharing
// where it is larger. Rotation tells the ⌈in/r̂⌉ groups of inputs apart that Sharing adds up; below about four groups
// there is little to tell apart (the paper's Table 4: 1.7 points on GSM8K at r 8, none at r 256), and Sharing is cheaper.
func (c *MoRA) PrepareTargets(targets []*model.Linear) (Method, error) {
	if c.Type != Auto {
		return c, nil
	}
	var shares []float64
	for _, l := range targets {
		r, _, err := c.lowRank().on(l)
		if err != nil {
			return nil, err
		}
		out, in := l.Dims()
		shares = append(shares, float64(Sharing.rhat(in, out, r))/float64(min(in, out)))
	}
	slices.Sort(shares)
	own, share, relation := *c, shares[len(shares)/2], "at most"
	own.Type = Rotation
	if share > autoShare {
		own.Type, relation = Sharing, "above"
	}
	own.reason = fmt.Sprintf("mora_type auto: %d (%s), since r̂ is %.2f of the smaller side of the layers (median), %s %.2f", int(own.Type), own.Type, share, relation, autoShare)
	return &own, nil
}

// note is for Describe.
func (c *MoRA) Note() string { return c.reason }
