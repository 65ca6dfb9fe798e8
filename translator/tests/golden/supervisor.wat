;; sstatus and sscratch, and an instruction that is left to the interpreter.
;;
;;   0  csrrw tp, 0x140, tp
;;   4  csrrci a0, 0x100, 2
;;   8  sd a0, 0(tp)
;;   c  sfence.vma zero, zero
;;  10  csrrs zero, 0x100, a0
;;  14  jalr zero, 0(ra)
(func $region_0 (;6;) (type 6) (param i64 i32 i32) (result i64)
  (local i64 i64 i64 i64 i32 i32 i64)
  block (result i32) ;; label = @1
    local.get 0
    i64.const 2
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
          i64.const 3
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
          i32.const 32768
          br 3 (;@1;)
        end
        i32.const 0
        local.set 1
        br 1 (;@2;)
      end
      i32.const 0
      i64.load offset=4128
      local.set 4
      i32.const 0
      i64.load offset=4624
      local.set 5
      i32.const 0
      local.get 4
      i64.store offset=4624
      local.get 5
      local.set 4
      i32.const 0
      local.get 4
      i64.store offset=4128
      i32.const 2
      i64.const 2
      call $c2w_status
      local.tee 5
      i64.const -1
      i64.eq
      if ;; label = @3
        i32.const 8193
        br 2 (;@1;)
      end
      local.get 5
      local.set 6
      i32.const 0
      local.get 6
      i64.store offset=4176
      local.get 4
      local.set 5
      local.get 5
      i64.const 8
      i64.shr_u
      i32.wrap_i64
      i32.const 65520
      i32.and
      i32.const 0
      i32.load offset=4672
      i32.add
      local.tee 8
      i64.load
      local.get 5
      i64.xor
      i64.const 4088
      i64.gt_u
      if ;; label = @3
        i32.const 16386
        br 2 (;@1;)
      end
      local.get 5
      i32.wrap_i64
      local.get 8
      i32.load offset=8
      i32.add
      local.set 7
      local.get 7
      local.get 6
      i64.store align=1
      i32.const 24579
      br 1 (;@1;)
    end
    i32.const 0
    i64.load offset=4176
    local.set 6
    i32.const 1
    local.get 6
    call $c2w_status
    local.tee 5
    i64.const -1
    i64.eq
    if ;; label = @2
      i32.const 32768
      br 1 (;@1;)
    end
    local.get 5
    drop
    i32.const 0
    i64.load offset=4104
    local.set 9
    local.get 9
    i64.const -2
    i64.and
    local.set 5
    local.get 3
    i64.const 2
    i64.sub
    local.set 3
    i32.const 0
    local.get 3
    i64.store offset=4616
    local.get 5
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
