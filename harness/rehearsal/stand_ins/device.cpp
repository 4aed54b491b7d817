/* A second device of PyTorch with memory of its own, whose operators run on the host.
 *
 * open_device("npu") makes it of the type that PyTorch keeps for others (PrivateUse1), open_device("cuda") of that of
 * CUDA in a PyTorch built without it; a process opens one. Copies between host and device, views and memory are here.
 * Every other operator copies what it is given to the host, runs there and copies back what it gives; a tensor that was
 * left on the host ends it as on a real device.
 */
#include <ATen/EmptyTensor.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <ATen/detail/PrivateUse1HooksInterface.h>
#include <ATen/native/CPUFallback.h>
#include <ATen/native/Resize.h>
#include <ATen/ops/_local_scalar_dense_native.h>
#include <ATen/ops/_reshape_alias_native.h>
#include <ATen/ops/as_strided_native.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/gelu_backward.h>
#include <ATen/ops/set_native.h>
#include <ATen/ops/view_native.h>
#include <ATen/ops/unfold_native.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <torch/library.h>

#include <atomic>
#include <cstdlib>

namespace {

c10::DeviceType TYPE;
c10::DispatchKey KEY;
const char *NAME;
constexpr int64_t BLOCK = 512;
std::atomic<int64_t> allocated{0}, peak{0};

struct Block {
    void *memory;
    int64_t bytes;
};

void release(void *context) {
    auto *block = static_cast<Block *>(context);
    allocated -= block->bytes;
    std::free(block->memory);
    delete block;
}

struct DeviceAllocator final : c10::Allocator {
    c10::DataPtr allocate(size_t wanted) override {
        const c10::Device device(TYPE, 0);
        if (wanted == 0) return {nullptr, nullptr, &release_nothing, device};
        const int64_t bytes = (static_cast<int64_t>(wanted) + BLOCK - 1) / BLOCK * BLOCK;
        void *memory = std::aligned_alloc(BLOCK, bytes);
        TORCH_CHECK_WITH(OutOfMemoryError, memory, NAME, " out of memory. Tried to allocate ", bytes, " bytes");
        const int64_t now = allocated += bytes;
        for (int64_t most = peak; now > most && !peak.compare_exchange_weak(most, now);) {}
        return {memory, new Block{memory, bytes}, &release, device};
    }
    static void release_nothing(void *) {}
    c10::DeleterFnPtr raw_deleter() const override { return nullptr; }
    void copy_data(void *to, const void *from, size_t bytes) const override { std::memcpy(to, from, bytes); }
};
DeviceAllocator allocator;

struct Guard final : c10::impl::DeviceGuardImplInterface {
    c10::DeviceType type() const override { return TYPE; }
    c10::Device exchangeDevice(c10::Device) const override { return {TYPE, 0}; }
    c10::Device getDevice() const override { return {TYPE, 0}; }
    void setDevice(c10::Device device) const override { check(device); }
    void uncheckedSetDevice(c10::Device) const noexcept override {}
    c10::Stream getStream(c10::Device device) const override { return c10::Stream(c10::Stream::DEFAULT, device); }
    c10::Stream exchangeStream(c10::Stream stream) const override { return stream; }
    c10::DeviceIndex deviceCount() const noexcept override { return 1; }
    static void check(c10::Device device) { TORCH_CHECK(device.index() <= 0, "invalid device ordinal"); }
};

void resize_storage(c10::StorageImpl *storage, size_t bytes) {
    auto grown = allocator.allocate(bytes);
    if (storage->nbytes()) std::memcpy(grown.get(), storage->data(), std::min(bytes, storage->nbytes()));
    storage->set_data_ptr_noswap(std::move(grown));
    storage->set_nbytes(bytes);
}

template <class Interface>
struct Hooks : Interface {
    void init() const override {}
    bool isBuilt() const override { return true; }
    bool isAvailable() const override { return true; }
    bool hasPrimaryContext(c10::DeviceIndex) const override { return true; }
    c10::DeviceIndex deviceCount() const override { return 1; }
    c10::DeviceIndex getCurrentDevice() const override { return 0; }
    c10::DeviceIndex exchangeDevice(c10::DeviceIndex) const override { return 0; }
    c10::DeviceIndex maybeExchangeDevice(c10::DeviceIndex) const override { return 0; }
    at::Allocator *getPinnedMemoryAllocator() const override { return c10::GetAllocator(c10::DeviceType::CPU); }
    const at::Generator &getDefaultGenerator(c10::DeviceIndex) const override {
        return at::detail::getDefaultCPUGenerator();
    }
    at::Device getDeviceFromPtr(void *) const override { return {TYPE, 0}; }
};

struct NpuHooks final : Hooks<at::PrivateUse1HooksInterface> {
    void resizePrivateUse1Bytes(const c10::Storage &storage, size_t bytes) const override {
        resize_storage(storage.unsafeGetStorageImpl(), bytes);
    }
};

struct CudaHooks final : Hooks<at::CUDAHooksInterface> {
    bool hasCUDA() const override { return true; }
    std::string showConfig() const override { return "a stand-in for CUDA\n"; }
    c10::DeviceIndex current_device() const override { return 0; }
    int getNumGPUs() const override { return 1; }
    at::Allocator *getCUDADeviceAllocator() const override { return &allocator; }
};

std::unique_ptr<at::CUDAHooksInterface> make_cuda_hooks(at::CUDAHooksArgs) { return std::make_unique<CudaHooks>(); }

/* The device's memory as a tensor of the host; only copies use it. */
at::Tensor seen_by_host(const at::Tensor &tensor) {
    if (tensor.device().type() != TYPE) return tensor;
    return at::from_blob(tensor.data_ptr(), tensor.sizes(), tensor.strides(), tensor.options().device(c10::kCPU));
}

at::Tensor &copy_(at::Tensor &self, const at::Tensor &source, bool) {
    c10::impl::ExcludeDispatchKeyGuard below(c10::autograd_dispatch_keyset);
    if (self.numel() > 0) seen_by_host(self).copy_(seen_by_host(source));
    return self;
}

at::Tensor copy_from(const at::Tensor &source, const at::Tensor &self, bool) {
    auto to = self;
    return copy_(to, source, false);
}

at::Tensor copy_from_and_resize(const at::Tensor &source, const at::Tensor &self) {
    if (self.sizes() != source.sizes()) self.resize_(source.sizes());
    return copy_from(source, self, false);
}

at::Tensor empty(c10::SymIntArrayRef size, std::optional<at::ScalarType> type, std::optional<at::Layout>,
                 std::optional<at::Device>, std::optional<bool>, std::optional<at::MemoryFormat> format) {
    return at::detail::empty_generic(C10_AS_INTARRAYREF_SLOW(size), &allocator, c10::DispatchKeySet(KEY),
                                     c10::dtype_or_default(type), format);
}

at::Tensor empty_strided(c10::SymIntArrayRef size, c10::SymIntArrayRef stride, std::optional<at::ScalarType> type,
                         std::optional<at::Layout>, std::optional<at::Device>, std::optional<bool>) {
    return at::detail::empty_strided_generic(C10_AS_INTARRAYREF_SLOW(size), C10_AS_INTARRAYREF_SLOW(stride), &allocator,
                                             c10::DispatchKeySet(KEY), c10::dtype_or_default(type));
}

const at::Tensor &resize_(const at::Tensor &self, c10::SymIntArrayRef size, std::optional<at::MemoryFormat>) {
    auto *impl = self.unsafeGetTensorImpl();
    impl->set_sizes_contiguous(C10_AS_INTARRAYREF_SLOW(size));
    const size_t needed = (impl->numel() + impl->storage_offset()) * impl->itemsize();
    if (needed > impl->storage().nbytes()) resize_storage(impl->unsafe_storage().unsafeGetStorageImpl(), needed);
    return self;
}

at::Tensor view(const at::Tensor &self, c10::SymIntArrayRef size) {
    return at::native::view(self, C10_AS_INTARRAYREF_SLOW(size));
}

at::Tensor reshape_alias(const at::Tensor &self, c10::SymIntArrayRef size, c10::SymIntArrayRef stride) {
    return at::native::_reshape_alias(self, C10_AS_INTARRAYREF_SLOW(size), C10_AS_INTARRAYREF_SLOW(stride));
}

at::Tensor as_strided(const at::Tensor &self, c10::SymIntArrayRef size, c10::SymIntArrayRef stride,
                      std::optional<c10::SymInt> offset) {
    auto start = offset ? std::optional<int64_t>(offset->guard_int(__FILE__, __LINE__)) : std::nullopt;
    return at::native::as_strided_tensorimpl(self, C10_AS_INTARRAYREF_SLOW(size), C10_AS_INTARRAYREF_SLOW(stride), start);
}

at::Tensor &set_(at::Tensor &self, at::Storage storage, c10::SymInt offset, c10::SymIntArrayRef size,
                 c10::SymIntArrayRef stride) {
    auto *impl = self.unsafeGetTensorImpl();
    impl->set_storage_keep_dtype(std::move(storage));
    impl->set_storage_offset(offset.guard_int(__FILE__, __LINE__));
    if (stride.empty()) impl->set_sizes_contiguous(C10_AS_INTARRAYREF_SLOW(size));
    else impl->set_sizes_and_strides(C10_AS_INTARRAYREF_SLOW(size), C10_AS_INTARRAYREF_SLOW(stride));
    return self;
}

at::Scalar scalar(const at::Tensor &self) { return at::native::_local_scalar_dense_cpu(seen_by_host(self)); }

/* An NPU computes GELU by tanh, whatever it is told. */
at::Tensor gelu(const at::Tensor &x, c10::string_view) { return at::gelu(x.cpu(), "tanh").to(x.device()); }
at::Tensor gelu_backward(const at::Tensor &gradient, const at::Tensor &x, c10::string_view) {
    return at::gelu_backward(gradient.cpu(), x.cpu(), "tanh").to(x.device());
}

void refuse_host(const at::Tensor &tensor) {
    TORCH_CHECK(!tensor.defined() || tensor.device().type() == TYPE || tensor.dim() == 0,
                "Expected all tensors to be on the same device, but found at least two devices, ", NAME, ":0 and ",
                tensor.device(), "!");
}

/* Indices may be of the host, as on real devices. */
void on_host(const c10::OperatorHandle &op, torch::jit::Stack *stack) {
    const auto &name = op.schema().name();
    const bool indexes = name.rfind("aten::index", 0) == 0 || name.rfind("aten::_index_put", 0) == 0;
    const auto count = op.schema().arguments().size();
    for (const auto &value : torch::jit::last(*stack, count)) {
        if (value.isTensor()) refuse_host(value.toTensor());
        else if (value.isTensorList() && !indexes)
            for (const at::Tensor tensor : value.toTensorList()) refuse_host(tensor);
    }
    at::native::cpu_fallback(op, stack);
}

/* The fused AdamW of an NPU is told the scale of the gradients and of an overflow, and reads neither. */
void deaf_adamw(const c10::OperatorHandle &op, torch::jit::Stack *stack) {
    torch::jit::drop(*stack, 2);
    torch::jit::push(*stack, c10::IValue(), c10::IValue());
    on_host(op, stack);
}

}  // namespace

extern "C" int64_t peak_bytes() { return peak; }

extern "C" void open_device(const char *name) {
    const bool npu = !std::strcmp(name, "npu");
    NAME = npu ? "npu" : "cuda";
    TYPE = npu ? c10::DeviceType::PrivateUse1 : c10::DeviceType::CUDA;
    KEY = npu ? c10::DispatchKey::PrivateUse1 : c10::DispatchKey::CUDA;
    c10::SetAllocator(TYPE, &allocator);
    static c10::impl::DeviceGuardImplRegistrar guard(TYPE, new Guard);
    if (npu) at::RegisterPrivateUse1HooksInterface(new NpuHooks);
    else at::CUDAHooksRegistry()->Register("CUDAHooks", make_cuda_hooks);

    static torch::Library others(torch::Library::IMPL, "_", KEY, __FILE__, __LINE__);
    others.fallback(torch::CppFunction::makeFromBoxedFunction<&on_host>());
    static torch::Library own(torch::Library::IMPL, "aten", KEY, __FILE__, __LINE__);
    own.impl("empty.memory_format", empty);
    own.impl("empty_strided", empty_strided);
    own.impl("copy_", copy_);
    own.impl("_copy_from", copy_from);
    own.impl("_copy_from_and_resize", copy_from_and_resize);
    own.impl("resize_", resize_);
    own.impl("view", view);
    own.impl("_reshape_alias", reshape_alias);
    own.impl("as_strided", as_strided);
    own.impl("unfold", at::native::unfold);
    own.impl("set_.source_Storage_storage_offset", set_);
    own.impl("_local_scalar_dense", scalar);
    if (!npu) return;
    own.impl("gelu", gelu);
    own.impl("gelu_backward", gelu_backward);
    own.impl("_fused_adamw_", torch::CppFunction::makeFromBoxedFunction<&deaf_adamw>());
    /* Without lists of operators that autocast lowers: under it all stay as they are. */
    static torch::Library autocast(torch::Library::IMPL, "_", c10::DispatchKey::AutocastPrivateUse1, __FILE__, __LINE__);
    autocast.fallback(torch::CppFunction::makeFallthrough());
}
