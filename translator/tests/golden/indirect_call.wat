;; A call by register.
;;
;;   0  addi t1, a0, 0
;;   4  jalr ra, 0(t1)
;;   8  addi a0, a0, 1
;;   c  jalr zero, 0(ra)
;;  10  addi zero, zero, 0
;;  14  sub a0, a0, a1
;;  18  jalr zero, 0(ra)
(func $region_0 (;6;) (type 6) (param i64 i32 i32) (result i64)
  (local i64 i64 i64 i64 i64 i64)
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
      block ;; label = @3
        block ;; label = @4
          local.get 1
          br_if 0 (;@4;)
          local.get 3
          i64.const 2
          i64.le_s
          if ;; label = @5
            i32.const 0
            br 4 (;@1;)
          end
          i32.const 0
          local.set 1
          br 1 (;@3;)
        end
        block ;; label = @4
          local.get 1
          i32.const 1
          i32.sub
          br_table 0 (;@4;)
        end
        local.get 3
        i64.const 2
        i64.le_s
        if ;; label = @4
          i32.const 16384
          br 3 (;@1;)
        end
        i32.const 0
        local.set 1
        br 1 (;@2;)
      end
      i32.const 0
      i64.load offset=4176
      local.set 4
      local.get 4
      local.set 5
      local.get 5
      i64.const -2
      i64.and
      local.set 6
      local.get 0
      i64.const 8
      i64.add
      local.set 7
      i32.const 0
      local.get 7
      i64.store offset=4104
      i32.const 0
      local.get 5
      i64.store offset=4144
      local.get 3
      i64.const 2
      i64.sub
      local.set 3
      i32.const 0
      local.get 3
      i64.store offset=4616
      local.get 6
      local.get 2
      call $c2w_invoke
      local.tee 8
      local.get 0
      i64.const 8
      i64.add
      i64.ne
      if ;; label = @3
        local.get 8
        local.get 0
        i64.const 8
        i64.add
        local.get 2
        call $c2w_resume
        local.tee 8
        local.get 8
        local.get 0
        i64.const 8
        i64.add
        i64.ne
        br_if 3
        drop
      end
      i32.const 0
      i64.load offset=4616
      local.set 3
      local.get 3
      i64.const 2
      i64.le_s
      if ;; label = @3
        i32.const 16384
        br 2 (;@1;)
      end
    end
    i32.const 0
    i64.load offset=4176
    local.set 4
    local.get 4
    i64.const 1
    i64.add
    local.set 4
    i32.const 0
    i64.load offset=4104
    local.set 7
    local.get 7
    i64.const -2
    i64.and
    local.set 6
    i32.const 0
    local.get 4
    i64.store offset=4176
    local.get 3
    i64.const 2
    i64.sub
    local.set 3
    i32.const 0
    local.get 3
    i64.store offset=4616
    local.get 6
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
      local.get 3
      i64.const 2
      i64.le_s
      if ;; label = @3
        i32.const 40960
        br 2 (;@1;)
      end
      i32.const 0
      local.set 1
      br 0 (;@2;)
    end
    i32.const 0
    i64.load offset=4176
    local.set 4
    i32.const 0
    i64.load offset=4184
    local.set 5
    local.get 4
    local.get 5
    i64.sub
    local.set 4
    i32.const 0
    i64.load offset=4104
    local.set 6
    local.get 6
    i64.const -2
    i64.and
    local.set 7
    i32.const 0
    local.get 4
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
