package monitor

import (
	"encoding/json"
	"errors"
	"net"
	"time"
)

// Snapshot is one sample of everything that the client reaches: one node for a single server, all nodes of a cluster or
// a Ring, and the Sentinels of Options. Nodes are sorted by address, Sentinels last.
type Snapshot struct {
	At    time.Time `json:"at"`
	Nodes []Node    `json:"nodes"`
}

// Node is what one server told. Where Err is set the server did not answer, and no figure is known. A figure that the
// server does not report, or that the user may not ask for, is absent; it is never 0 for want of an answer.
//
// A Node of a Snapshot is shared with the Monitor that made it: read it, do not change it.
type Node struct { //nolint:recvcheck // it is a value to others, and too large to copy for ourselves
	Addr string    `json:"addr"`         // as the client knows it; stable, so that alerts keep their node
	ID   string    `json:"id,omitempty"` // in a cluster
	Role string    `json:"role"`         // master, replica, sentinel; "" where it is not known
	At   time.Time `json:"at"`           // when it answered
	Err  error     `json:"-"`            // in JSON "err", a text

	Server      Server             `json:"server"`
	Clients     Clients            `json:"clients"`
	Memory      Memory             `json:"memory"`
	Stats       Stats              `json:"stats"`
	Rates       Rates              `json:"rates"`
	Replication Replication        `json:"replication"`
	Persistence Persistence        `json:"persistence"`
	CPU         CPU                `json:"cpu"`
	Keyspace    Value[[]Database]  `json:"keyspace"`
	Commands    Value[[]Command]   `json:"commands"`
	Slowlog     Value[[]SlowEntry] `json:"slowlog"` // the newest 16
	Latency     Latency            `json:"latency"`
	Cluster     Cluster            `json:"cluster"`
	Sentinel    Sentinel           `json:"sentinel"`
	Config      map[string]string  `json:"config,omitempty"` // a few settings, at most a minute old; never a password; nil where CONFIG may not be asked

	Info        map[string]string `json:"info,omitempty"`        // the raw fields of INFO
	Unavailable []Unavailable     `json:"unavailable,omitempty"` // what this server or user does not allow
}

// Unavailable is a command that was refused: asked once, and not again until the server restarts.
type Unavailable struct {
	Command string `json:"command"` // such as "CONFIG GET"
	Reason  string `json:"reason"`  // denied or unknown
	Detail  string `json:"detail"`  // what the server said
}

// Rates are figures of the time since an earlier sample, at least half an Interval old. They are not known in a node's
// first sample. They mind restarts and CONFIG RESETSTAT: no rate is ever negative.
type Rates struct {
	Over      time.Duration  `json:"over_ns"`
	Commands  Value[float64] `json:"commands"`   // per second, and so the following
	NetInput  Value[float64] `json:"net_input"`  // bytes
	NetOutput Value[float64] `json:"net_output"` // bytes
	Hits      Value[float64] `json:"hits"`
	Misses    Value[float64] `json:"misses"`
	Expired   Value[float64] `json:"expired"`
	Evicted   Value[float64] `json:"evicted"`
	Rejected  Value[float64] `json:"rejected"`
	Errors    Value[float64] `json:"errors"`
	HitRatio  Value[float64] `json:"hit_ratio"` // 0 to 1; not known where nothing was looked up
	CPU       Value[float64] `json:"cpu"`       // processors in use: 0.5 is half of one
}

// Node returns the node with the address, and whether there is one.
func (s Snapshot) Node(addr string) (Node, bool) {
	for _, n := range s.Nodes {
		if n.Addr == addr {
			return n, true
		}
	}
	return Node{}, false
}

// Err joins the errors of the nodes that did not answer; nil where all did.
func (s Snapshot) Err() error {
	var errs []error
	for _, n := range s.Nodes {
		if n.Err != nil {
			errs = append(errs, &NodeError{Addr: n.Addr, Err: n.Err})
		}
	}
	return errors.Join(errs...)
}

// NodeError is an error with the address of the node that it is about.
type NodeError struct {
	Addr string
	Err  error
}

// Error names the node.
func (e *NodeError) Error() string { return "monitor: node " + e.Addr + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *NodeError) Unwrap() error { return e.Err }

type plainNode Node

type jsonNode struct {
	plainNode
	Err string `json:"err,omitempty"`
}

// MarshalJSON writes the node with its error as text.
func (n Node) MarshalJSON() ([]byte, error) {
	out := jsonNode{plainNode: plainNode(n)}
	if n.Err != nil {
		out.Err = n.Err.Error()
	}
	return json.Marshal(out)
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (n *Node) UnmarshalJSON(text []byte) error {
	var in jsonNode
	if err := json.Unmarshal(text, &in); err != nil {
		return err
	}
	*n = Node(in.plainNode)
	if in.Err != "" {
		n.Err = errors.New(in.Err)
	}
	return nil
}

func joinAddr(host, port string) string { return net.JoinHostPort(host, port) }

// fill takes in an INFO, and a CLUSTER INFO.
func (n *Node) fill(info *reading, cluster fields) {
	f := info.fields
	n.Info = f
	n.Server, n.Clients, n.Memory, n.Stats = parseServer(f), parseClients(f), parseMemory(f), parseStats(f)
	n.Replication, n.Persistence, n.CPU = parseReplication(f), parsePersistence(f), parseCPU(f)
	n.Cluster = parseCluster(f, cluster)
	// A server without keys has the section, and no line in it; one that does not report keys has no section.
	if len(info.databases) > 0 || info.hasKeyspace {
		n.Keyspace = Known(info.databases)
	}
	if len(info.commands) > 0 || info.hasCommands {
		n.Commands = Known(info.commands)
	}
	n.Stats.Errors = info.errors
	n.Role = n.Replication.Role.Or("")
	if n.Server.Mode.v == "sentinel" {
		n.Role = "sentinel"
	}
}
