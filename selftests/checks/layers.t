#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# No include points up or sideways through the agent's layers.
. selftests/tap.sh

runs 'the layer check sees what is wrong in a made-up tree' tools/check-layers --self-test
runs 'no include points up, sideways or into tools and tests' tools/check-layers
done_testing
