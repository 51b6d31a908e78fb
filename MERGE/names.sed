s/acuity\.methods\.shared\.interpolate/acuity.interpolation/g
s/acuity\.methods\.shared\.finer/acuity.methods.networks.axial_base/g
s/acuity\.methods\.shared/acuity.methods.networks/g
s#methods/shared/interpolate\.py#interpolation.py#g
s#methods/shared/finer\.py#methods/networks/axial_base.py#g
s#methods/shared#methods/networks#g
s/acuity\.segment\.mask/acuity.field_of_view/g
s#segment/mask\.py#field_of_view.py#g
s/acuity\.reconstruct\.geometry/acuity.geometry/g
s#reconstruct/geometry\.py#geometry.py#g
s/acuity\.reconstruct\.budget/acuity.reconstruct.memory_limits/g
s#reconstruct/budget\.py#reconstruct/memory_limits.py#g
s/acuity\.predict\.\(execution\|planes\|receptive\|tiles\)/acuity.engine.\1/g
s#predict/\(execution\|planes\|receptive\|tiles\)\.py#engine/\1.py#g
s/acuity\.predict\.source/acuity.engine.readers/g
s#predict/source\.py#engine/readers.py#g
s/acuity\.train\.sampling/acuity.engine.sampling/g
s#train/sampling\.py#engine/sampling.py#g
s/acuity\.train\.planes/acuity.engine.plane_sampling/g
s#train/planes\.py#engine/plane_sampling.py#g
s/acuity\.train\.budget/acuity.train.deadline/g
s#train/budget\.py#train/deadline.py#g
s/acuity\.train\.tune/acuity.train.autotune/g
s#train/tune\.py#train/autotune.py#g
s/acuity\.segment\.threshold/acuity.threshold/g
s/from acuity\.segment import threshold/from acuity import threshold/
s/from acuity\.predict\.predict import Plan\b/from acuity.engine.schedule import TileSchedule/
s/from acuity\.predict\.predict import read_card/from acuity.predict.models import read_card/
s/acuity\.engine\.readers import Source$/acuity.engine.readers import InputReader/
s/^\(    \)learns = \("[a-z]*"\)/\1regime = \2/
s/\.learns\b/.regime/g
s/"learns"/"regime"/g
s/^    recorded = (/    logged_losses = (/
s/\.thinnest\b/.min_slices/g
s/\bmethod\.stack\b/method.slices_per_stack/g
s/\bself\.stack\b/self.slices_per_stack/g
s/^    stack = 1$/    slices_per_stack = 1/
s/\.phases(step)/.networks_to_update(step)/g
s/\.phases(\([0-9]\))/.networks_to_update(\1)/g
s/def phases(self, step)/def networks_to_update(self, step)/
s/\btask\.phase\b/task.offset/g
s/``Task\.phase``/``Task.offset``/g
s/\(Task([^)]*([^)]*)\(, ([^)]*)\)\?)\)\.phase\b/\1.offset/g
s/Task()\.phase/Task().offset/g
s/\bSpread(/UpsamplingConv(/g
s/\bpartial(Spread,/partial(UpsamplingConv,/
s/Interpolated, Spread\b/Interpolated, UpsamplingConv/
s/import Spread$/import UpsamplingConv/
s/setattr(Spread,/setattr(UpsamplingConv,/
s/`Spread`/`UpsamplingConv`/
s/\bFinerMethod\b/AxialMethod/g
s/\bFinerSettings\b/AxialSettings/g
s/\bfactors_before\b/upsampling_factors/g
s/\binput_phase\b/input_offset/g
s/\bRanks\b/ProcessGroup/g
