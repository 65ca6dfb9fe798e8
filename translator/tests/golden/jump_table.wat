;; A jump by register to places that were seen.
;;
;;   0  slli a0, a0, 3
;;   4  add t0, t1, a0
;;   8  jalr zero, 0(t0)
;;   c  addi a1, zero, 1
;;  10  jal zero, . + 16
;;  14  addi a1, zero, 2
;;  18  jal zero, . + 8
;;  1c  addi a1, zero, 3
;;  20  addi a0, a1, 0
;;  24  jalr zero, 0(ra)
(func $region_0 (;6;) (type 6) (param i64 i32 i32) (result i64)
  (local i64 i64 i64 i64 i64)
  block (result i32) ;; label = @1
    local.get 0
    i64.const 3
    i64.add
    local.get 0
    i64.const 7
    i64.shr_u
    i32.wrap_i64
    i32.const 65504
    i32.and
    i32.const 0
    i32.load offset=4680
    i32.add
    i64.load offset=8
    i64.ne
    local.get 2
    i32.const 0
    i32.lt_s
    i32.or
    if ;; label = @2
      local.get 0
      i64.const 0
      i64.add
      i32.const 0
      i64.load offset=4608
      local.get 1
      i32.eqz
      select
      br 2
    end
    i32.const 0
    i64.load offset=4616
    local.set 3
    block ;; label = @2
      local.get 3
      i64.const 3
      i64.le_s
      if ;; label = @3
        i32.const 0
        br 2 (;@1;)
      end
      i32.const 0
      local.set 1
      br 0 (;@2;)
    end
    i32.const 0
    i64.load offset=4176
    local.set 4
    local.get 4
    i64.const 3
    i64.shl
    local.set 4
    i32.const 0
    i64.load offset=4144
    local.set 5
    local.get 5
    local.get 4
    i64.add
    local.set 6
    local.get 6
    i64.const -2
    i64.and
    local.set 7
    i32.const 0
    local.get 6
    i64.store offset=4136
    i32.const 0
    local.get 4
    i64.store offset=4176
    local.get 3
    i64.const 3
    i64.sub
    local.set 3
    i32.const 0
    local.get 3
    i64.store offset=4616
    local.get 7
    br 1
    unreachable
  end
  local.tee 1
  i32.const 11
  i32.shr_u
  i64.extend_i32_u
  local.get 0
  i64.add
  i32.const 0
  local.get 3
  local.get 1
  i32.const 2047
  i32.and
  i64.extend_i32_u
  i64.sub
  i64.store offset=4616
(func $region_1 (;7;) (type 6) (param i64 i32 i32) (result i64)
  (local i64 i64 i64 i64 i64)
  block (result i32) ;; label = @1
    local.get 0
    i64.const 3
    i64.add
    local.get 0
    i64.const 7
    i64.shr_u
    i32.wrap_i64
    i32.const 65504
    i32.and
    i32.const 0
    i32.load offset=4680
    i32.add
    i64.load offset=8
    i64.ne
    local.get 2
    i32.const 0
    i32.lt_s
    i32.or
    if ;; label = @2
      local.get 0
      i64.const 32
      i64.add
      i32.const 0
      i64.load offset=4608
      local.get 1
      i32.eqz
      select
      br 2
    end
    i32.const 0
    i64.load offset=4616
    local.set 3
    block ;; label = @2
      local.get 3
      i64.const 2
      i64.le_s
      if ;; label = @3
        i32.const 65536
        br 2 (;@1;)
      end
      i32.const 0
      local.set 1
      br 0 (;@2;)
    end
    i32.const 0
    i64.load offset=4184
    local.set 4
    local.get 4
    local.set 5
    i32.const 0
    i64.load offset=4104
    local.set 6
    local.get 6
    i64.const -2
    i64.and
    local.set 7
    i32.const 0
    local.get 5
    i64.store offset=4176
    local.get 3
    i64.const 2
    i64.sub
    local.set 3
    i32.const 0
    local.get 3
    i64.store offset=4616
    local.get 7
    br 1
    unreachable
  end
  local.tee 1
  i32.const 11
  i32.shr_u
  i64.extend_i32_u
  local.get 0
  i64.add
  i32.const 0
  local.get 3
  local.get 1
  i32.const 2047
  i32.and
  i64.extend_i32_u
  i64.sub
  i64.store offset=4616
(func $region_2 (;8;) (type 6) (param i64 i32 i32) (result i64)
  (local i64 i64 i64 i64 i64)
  block (result i32) ;; label = @1
    local.get 0
    i64.const 3
    i64.add
    local.get 0
    i64.const 7
    i64.shr_u
    i32.wrap_i64
    i32.const 65504
    i32.and
    i32.const 0
    i32.load offset=4680
    i32.add
    i64.load offset=8
    i64.ne
    local.get 2
    i32.const 0
    i32.lt_s
    i32.or
    if ;; label = @2
      local.get 0
      i64.const 12
      i64.add
      i32.const 0
      i64.load offset=4608
      local.get 1
      i32.eqz
      select
      br 2
    end
    i32.const 0
    i64.load offset=4616
    local.set 3
    block ;; label = @2
      block ;; label = @3
        local.get 3
        i64.const 4
        i64.le_s
        if ;; label = @4
          i32.const 24576
          br 3 (;@1;)
        end
        i32.const 0
        local.set 1
        br 0 (;@3;)
      end
      i64.const 1
      local.set 4
      i32.const 0
      local.get 4
      i64.store offset=4184
      local.get 3
      i64.const 2
      i64.sub
      local.set 3
    end
    local.get 4
    local.set 5
    i32.const 0
    i64.load offset=4104
    local.set 6
    local.get 6
    i64.const -2
    i64.and
    local.set 7
    i32.const 0
    local.get 5
    i64.store offset=4176
    local.get 3
    i64.const 2
    i64.sub
    local.set 3
    i32.const 0
    local.get 3
    i64.store offset=4616
    local.get 7
    br 1
    unreachable
  end
  local.tee 1
  i32.const 11
  i32.shr_u
  i64.extend_i32_u
  local.get 0
  i64.add
  i32.const 0
  local.get 3
  local.get 1
  i32.const 2047
  i32.and
  i64.extend_i32_u
  i64.sub
  i64.store offset=4616
(func $region_3 (;9;) (type 6) (param i64 i32 i32) (result i64)
  (local i64 i64 i64 i64 i64)
  block (result i32) ;; label = @1
    local.get 0
    i64.const 3
    i64.add
    local.get 0
    i64.const 7
    i64.shr_u
    i32.wrap_i64
    i32.const 65504
    i32.and
    i32.const 0
    i32.load offset=4680
    i32.add
    i64.load offset=8
    i64.ne
    local.get 2
    i32.const 0
    i32.lt_s
    i32.or
    if ;; label = @2
      local.get 0
      i64.const 20
      i64.add
      i32.const 0
      i64.load offset=4608
      local.get 1
      i32.eqz
      select
      br 2
    end
    i32.const 0
    i64.load offset=4616
    local.set 3
    block ;; label = @2
      block ;; label = @3
        local.get 3
        i64.const 4
        i64.le_s
        if ;; label = @4
          i32.const 40960
          br 3 (;@1;)
        end
        i32.const 0
        local.set 1
        br 0 (;@3;)
      end
      i64.const 2
      local.set 4
      i32.const 0
      local.get 4
      i64.store offset=4184
      local.get 3
      i64.const 2
      i64.sub
      local.set 3
    end
    local.get 4
    local.set 5
    i32.const 0
    i64.load offset=4104
    local.set 6
    local.get 6
    i64.const -2
    i64.and
    local.set 7
    i32.const 0
    local.get 5
    i64.store offset=4176
    local.get 3
    i64.const 2
    i64.sub
    local.set 3
    i32.const 0
    local.get 3
    i64.store offset=4616
    local.get 7
    br 1
    unreachable
  end
  local.tee 1
  i32.const 11
  i32.shr_u
  i64.extend_i32_u
  local.get 0
  i64.add
  i32.const 0
  local.get 3
  local.get 1
  i32.const 2047
  i32.and
  i64.extend_i32_u
  i64.sub
  i64.store offset=4616
(func $region_4 (;10;) (type 6) (param i64 i32 i32) (result i64)
  (local i64 i64 i64 i64 i64)
  block (result i32) ;; label = @1
    local.get 0
    i64.const 3
    i64.add
    local.get 0
    i64.const 7
    i64.shr_u
    i32.wrap_i64
    i32.const 65504
    i32.and
    i32.const 0
    i32.load offset=4680
    i32.add
    i64.load offset=8
    i64.ne
    local.get 2
    i32.const 0
    i32.lt_s
    i32.or
    if ;; label = @2
      local.get 0
      i64.const 28
      i64.add
      i32.const 0
      i64.load offset=4608
      local.get 1
      i32.eqz
      select
      br 2
    end
    i32.const 0
    i64.load offset=4616
    local.set 3
    block ;; label = @2
      local.get 3
      i64.const 3
      i64.le_s
      if ;; label = @3
        i32.const 57344
        br 2 (;@1;)
      end
      i32.const 0
      local.set 1
      br 0 (;@2;)
    end
    i64.const 3
    local.set 4
    local.get 4
    local.set 5
    i32.const 0
    i64.load offset=4104
    local.set 6
    local.get 6
    i64.const -2
    i64.and
    local.set 7
    i32.const 0
    local.get 5
    i64.store offset=4176
    i32.const 0
    local.get 4
    i64.store offset=4184
    local.get 3
    i64.const 3
    i64.sub
    local.set 3
    i32.const 0
    local.get 3
    i64.store offset=4616
    local.get 7
    br 1
    unreachable
  end
  local.tee 1
  i32.const 11
  i32.shr_u
  i64.extend_i32_u
  local.get 0
  i64.add
  i32.const 0
  local.get 3
  local.get 1
  i32.const 2047
  i32.and
  i64.extend_i32_u
  i64.sub
  i64.store offset=4616
