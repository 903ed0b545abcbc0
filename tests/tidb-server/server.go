//go:build tools

// Package server keeps the requirement on TiDB's server alive in go.mod.
package server

import _ "github.com/pingcap/tidb/cmd/tidb-server"
